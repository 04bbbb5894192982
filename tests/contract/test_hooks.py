"""What whoever takes pushes in does, the one that stands in for it in tests of hooks alone too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.builds.hook_events import Push
from sealock.web.ports import HooksPort
from tests.support.site import make_site
from tests.support.website import OTHER, PROJECT, TakenHooks

pytestmark = pytest.mark.anyio
UNKNOWN = "f" * 32


@dataclass
class Lab:
    """project, other: ids of two that it knows."""

    hooks: HooksPort
    project: str
    other: str


@pytest.fixture(params=["memory", "database"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    if request.param == "memory":
        yield Lab(TakenHooks(), PROJECT, OTHER)
        return
    async with make_site(tmp_path) as site:
        yield Lab(site.ports.hooks, site.project.id, site.foreign.id)


def push(delivery: str, after: str | None = "2" * 40) -> Push:
    return Push(delivery, 1_760_000_000, "any", "main", is_tag=False, before="1" * 40, after=after)


async def test_each_project_is_known_by_its_id_and_has_secrets_of_its_own(lab: Lab) -> None:
    ours, others = await lab.hooks.target(lab.project), await lab.hooks.target(lab.other)
    assert ours is not None and others is not None
    assert (ours.project, others.project) == (lab.project, lab.other)
    assert ours.repository.startswith(("git@", "ssh://"))
    secrets = [secret.reveal() for target in (ours, others) for secret in target.secrets]
    assert len(set(secrets)) == len(secrets) >= 2 and all(len(secret) >= 32 for secret in secrets)
    for unknown in (UNKNOWN, "", "x", "\x00", "\ud800"):
        assert await lab.hooks.target(unknown) is None


async def test_a_delivery_is_taken_once_by_each_project(lab: Lab) -> None:
    assert await lab.hooks.take(lab.project, push("one"))
    assert not await lab.hooks.take(lab.project, push("one"))
    assert await lab.hooks.take(lab.project, push("two"))
    assert await lab.hooks.take(lab.other, push("one"))


async def test_a_branch_that_was_removed_is_taken_and_nothing_comes_of_it(lab: Lab) -> None:
    assert await lab.hooks.take(lab.project, push("gone", after=None))


async def test_a_push_to_a_project_that_is_gone_is_not_taken(lab: Lab) -> None:
    assert not await lab.hooks.take(UNKNOWN, push("one"))
