"""The API against its own description: what schemathesis makes of it, right and wrong, is answered as told.

The requests are sent without a socket to the website of the tests. Ids that are there are put in for some of
those that are made up, or nothing would be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from sealock.web import asking, security
from sealock.web.api.openapi import describe
from sealock.web.app import unguarded_app
from sealock.web.cookies import NAME
from sealock.web.rates import Rate
from tests.support.site import Site, make_site

EXAMPLES = 15
"""Of each operation and mode: about a minute in all."""

SEMANTIC = {
    ("POST", "/api/v1/projects"): "no address is made up that could be one",
    ("POST", "/api/v1/projects/{project}/builds"): "a ref that cannot be one",
    ("PATCH", "/api/v1/accounts/{account_id}"): "a name of spaces",
    ("PATCH", "/api/v1/projects/{project}"): "a branch that cannot be one, a label twice",
    ("PUT", "/api/v1/projects/{project}/secrets/{name}"): "Base64 that is none",
}
"""Where what is well formed may be refused all the same."""
NOTHING_TO_GET_WRONG = {"/api/v1/installation", "/api/v1/accounts"}

KEYS = (f"key-{number}" for number in count())
ENDS_THE_TEST = {("DELETE", "/api/v1/token")}


@contextmanager
def running_site(directory: Path) -> Iterator[tuple[BlockingPortal, Site]]:
    """The website, in a loop of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(make_site(directory)) as site,
    ):
        site.log(site.running).complete = True
        yield portal, site


class Sender:
    """Sends what was made up: with a token, or in a browser where that is needed."""

    def __init__(self, portal: BlockingPortal, site: Site) -> None:
        self._portal, self._site = portal, site
        self._text = portal.call(site.token)
        self._cookie = portal.call(site.sessions.begin, site.owner).reveal().decode()
        self.statuses: set[int] = set()

    def send(self, case: schemathesis.Case[Any]) -> httpx2.Response:
        made = requests.Request(**case.as_transport_kwargs(base_url=str(self._site.origin))).prepare()
        body = made.body.encode() if isinstance(made.body, str) else made.body
        headers = {name: value for name, value in made.headers.items() if name.lower() != "host"}
        answer: httpx2.Response = self._portal.call(
            self._ask, str(made.method), str(made.url), headers, body or b""
        )
        self.statuses.add(answer.status_code)
        return answer

    async def _ask(self, method: str, url: str, headers: Any, body: Any) -> httpx2.Response:
        in_person = "/api/v1/tokens" in url
        who = (
            {"Cookie": f"{NAME}={self._cookie}", "Sec-Fetch-Site": "same-origin"}
            if in_person
            else {"Authorization": f"Bearer {self._text}"}
        )
        async with self._site.client() as client:
            return await client.request(method, url, headers=headers | who, content=body)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not about how often."""
    for module, name in (
        (asking, "READS"),
        (asking, "WRITES"),
        (asking, "STRANGERS"),
        (security, "EVERYTHING"),
    ):
        monkeypatch.setattr(module, name, Rate(name, "10000000/minute"))


@pytest.mark.usefixtures("unhurried")
def test_every_answer_is_as_the_description_says(tmp_path: Path) -> None:
    with running_site(tmp_path) as (portal, site):
        app = unguarded_app(site.ports)
        schema = schemathesis.openapi.from_dict(describe(app, "0"))
        # Who asks is put in when it is sent; that nobody else gets in is tested door by door elsewhere.
        schema.config.generation.with_security_parameters = False
        sender, tried = Sender(portal, site), 0
        for result in schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            if (operation.method.upper(), operation.path) in ENDS_THE_TEST:
                continue
            tried += 1
            for mode in GenerationMode:
                if mode is GenerationMode.POSITIVE or operation.path not in NOTHING_TO_GET_WRONG:
                    fuzz(operation, mode, sender, site)
        assert tried > 35
        assert {200, 201, 204, 404, 409, 422} <= sender.statuses, "it has to have reached something"
        assert not {status for status in sender.statuses if status >= 500}


def fuzz(operation: Any, mode: GenerationMode, sender: Sender, site: Site) -> None:
    """Some requests of one kind to one operation."""
    builds = [site.green, site.red, site.running, site.queued]

    strategy = operation.as_strategy(generation_mode=mode)

    @given(case=strategy, build=st.sampled_from(builds), real=st.booleans())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: schemathesis.Case[Any], build: str, real: bool) -> None:
        assert case.meta is not None
        parts = case.meta.components.items()
        right = {place for place, part in parts if part.mode is GenerationMode.POSITIVE}
        if real and ParameterLocation.PATH in right:
            there = {"project": "shop", "build": build, "account_id": "local", "number": 1}
            for name in set(there) & set(case.path_parameters):
                case.path_parameters[name] = there[name]
        if ParameterLocation.HEADER in right and "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = next(KEYS)  # a description cannot say "never used before"
        if ParameterLocation.QUERY in right:
            case.query.pop("cursor", None)  # nor "that we gave out"
            case.query.pop("wait", None)  # it is the only one that takes long
        excluded = [ignored_auth]
        if (operation.method.upper(), operation.path) in SEMANTIC:
            excluded.append(positive_data_acceptance)
        case.validate_response(sender.send(case), excluded_checks=excluded)

    one()
