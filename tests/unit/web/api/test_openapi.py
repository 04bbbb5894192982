"""What the API says of itself, where the requests that are made of it cannot show that it is wrong."""

from __future__ import annotations

import pytest

from sealock.web.api.openapi import describe
from sealock.web.app import unguarded_app
from tests.support.site_database import DatabaseSite as Site

pytestmark = pytest.mark.anyio


async def test_no_parameter_may_be_null_since_in_an_address_that_is_a_text(site: Site) -> None:
    described = describe(unguarded_app(site.ports), "0")
    parameters = [
        (f"{method} {path}", parameter)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", ())
    ]
    assert len(parameters) > 50
    assert [(door, one["name"]) for door, one in parameters if "null" in str(one["schema"])] == []
    [last_id] = [one["schema"] for _, one in parameters if one["name"] == "Last-Event-ID"]
    assert (last_id["type"], last_id["pattern"][:7]) == ("string", "^[0-9]{")
