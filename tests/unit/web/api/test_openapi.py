"""What the API says of itself, where the requests that are made of it cannot show that it is wrong."""

from __future__ import annotations

import json
import re

import httpx2
import pytest

from sealock.core.naming import rule_of
from sealock.core.project import PROJECT_NAME
from sealock.web.api.openapi import describe
from sealock.web.app import unguarded_app
from sealock.web.written import in_words
from tests.support.site import Site

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


async def test_every_pattern_has_words_for_who_does_not_read_patterns(site: Site) -> None:
    described = json.dumps(describe(unguarded_app(site.ports), "0"))
    patterns = {json.loads(f'"{one}"') for one in re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', described)}
    assert len(patterns) > 8
    words = {in_words(pattern) for pattern in patterns}
    assert not [one for one in words if re.search(r"[\[\]^$\\{}]", one)]


async def test_a_wrong_name_is_told_in_words(api: httpx2.AsyncClient) -> None:
    new = {"name": "Bad Name", "address": "git@git.example.com:a/b.git"}
    answer = await api.post("projects", json=new)
    assert answer.status_code == 422
    assert answer.json()["fields"] == [{"field": "name", "reason": rule_of(PROJECT_NAME)}]
