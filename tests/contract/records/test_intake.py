"""What becomes a build, and the hooks of projects, over the records of each database."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import pytest

from sealock.builds.hook_events import WINDOW, Push
from sealock.builds.hook_secret import KEPT_FOR, derive_hook_secret
from sealock.builds.hosted_hooks import HostedHooks
from sealock.builds.intake import Intake
from sealock.core.build import Outcome
from sealock.core.build_state import StepState, Trigger
from sealock.core.builds import BuildFilter, BuildView, Created, Ended
from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.providers.git.ref import check_ref
from sealock.store.database.all_projects import DatabaseAllProjects
from tests.support.records import COMMIT, OTHER, Records, progress

pytestmark = pytest.mark.anyio
KEY = Secret(bytes(range(32)))
ID = "ab" * 16


@pytest.fixture
async def intake(records: Records) -> Intake:
    await records.around.project(ID, records.account)
    return Intake(records.projects, records.builds, check_ref, ["main", "release"])


class Hooks(HostedHooks):
    """With a clock that tests turn."""

    def __init__(self, records: Records, intake: Intake) -> None:
        self.now = 1_800_000_000.0
        super().__init__(KEY, DatabaseAllProjects(records.database), intake, lambda: self.now)


@pytest.fixture
def hooks(records: Records, intake: Intake) -> Hooks:
    return Hooks(records, intake)


async def start(records: Records, intake: Intake, ref: str | None, **wanted: Any) -> BuildView:
    told: dict[str, Any] = {"pipelines": (), "person": "ada"} | wanted
    made = await intake.start(records.account, ID, ref=ref, **told)
    return await records.build(made.build)


def push(name: str = "main", after: str | None = COMMIT, *, tag: bool = False, **said: Any) -> Push:
    told: dict[str, Any] = {"delivery": secrets.token_hex(8), "sent_at": 1, "repository": "r"} | said
    return Push(name=name, is_tag=tag, before=None, after=after, **told)


@pytest.mark.parametrize(
    ("ref", "wanted"),
    [
        (None, ("refs/heads/main", "main", None, True)),
        ("main", ("refs/heads/main", "main", None, True)),
        ("refs/heads/main", ("refs/heads/main", "main", None, True)),
        ("release", ("refs/heads/release", "release", None, True)),
        ("feature/main", ("refs/heads/feature/main", "feature/main", None, False)),
        ("refs/heads/refs/heads/main", ("refs/heads/refs/heads/main", "refs/heads/main", None, False)),
        ("refs/tags/main", ("refs/tags/main", None, None, False)),
        ("refs/pull/1/head", ("refs/pull/1/head", None, None, False)),
        (COMMIT.upper(), (COMMIT, None, COMMIT, False)),
    ],
)
async def test_a_branch_is_fetched_as_one_and_nothing_else_passes_for_one(
    records: Records, intake: Intake, ref: str | None, wanted: tuple[Any, ...]
) -> None:
    build = await start(records, intake, ref)
    assert (build.ref, build.branch, build.commit, build.protected) == wanted
    assert (build.trigger, build.person, build.restart_of) == (Trigger.PERSON, "ada", None)


async def test_a_projects_own_protected_branches_take_the_place_of_the_installations(
    records: Records, intake: Intake
) -> None:
    await records.projects().change_settings(
        ID, lambda old: replace(old, protected=("stable",), default_branch="stable")
    )
    assert (await start(records, intake, None)).protected
    assert not (await start(records, intake, "main")).protected


@pytest.mark.parametrize(
    ("ref", "pipelines"),
    [
        ("--upload-pack=x", ()),
        ("a b", ()),
        ("", ()),
        ("refs/heads/", ()),
        ("x" * 251, ()),
        ("main", ("-x",)),
        ("main", ("a/b",)),
        ("main", ("unit", "unit")),
        ("main", tuple(f"p{number}" for number in range(101))),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_made(
    records: Records, intake: Intake, ref: str, pipelines: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError):
        await start(records, intake, ref, pipelines=pipelines)
    assert await records.builds.page(records.account, BuildFilter()) == []


async def test_a_wish_is_granted_once_for_its_delivery(records: Records, intake: Intake) -> None:
    first = await start(records, intake, "main", delivery="k" * 255)
    assert await start(records, intake, "main", delivery="k" * 255) == first
    assert (await start(records, intake, "main", delivery="k" * 254)).id != first.id


async def test_what_is_another_accounts_is_not_there(records: Records, intake: Intake) -> None:
    build = await records.ended()
    with pytest.raises(LookupError):
        await intake.start(OTHER, ID, ref=None, pipelines=(), person=None)
    with pytest.raises(LookupError):
        await intake.push(OTHER, ID, push())
    with pytest.raises(LookupError):
        await intake.restart(OTHER, build, failed_only=False, person=None)


async def again(
    records: Records,
    intake: Intake,
    build: str,
    *,
    failed_only: bool = False,
    only: tuple[str, ...] = (),
) -> BuildView:
    made: Created = await intake.restart(
        records.account, build, failed_only=failed_only, person="bob", only=only
    )
    return await records.build(made.build)


async def test_a_repeat_is_of_the_commit_that_was_fetched_with_the_same_secrets(
    records: Records, intake: Intake
) -> None:
    old = await start(records, intake, "main", pipelines=("unit", "slow"))
    with pytest.raises(UsageError, match="has not ended"):
        await again(records, intake, old.id)
    fence = await records.claim()
    said = progress(StepState.PASSED, StepState.PASSED, StepState.FAILED, StepState.SKIPPED)
    await records.builds.progress(fence, said)
    await records.builds.end(fence, Ended(Outcome.RED, "slow failed"))
    new = await again(records, intake, old.id)
    assert (new.commit, new.ref, new.branch, new.protected) == (COMMIT, old.ref, "main", True)
    assert (new.restart_of, new.secrets_of, new.pipelines) == (old.id, old.id, ("unit", "slow"))
    assert (new.trigger, new.person, new.message) == (Trigger.RESTART, "bob", "Add tea")
    failed = await again(records, intake, old.id, failed_only=True)
    assert failed.pipelines == ("slow", "docs")
    one = await again(records, intake, old.id, only=("unit",))
    assert (one.pipelines, one.secrets_of, one.commit) == (("unit",), old.id, COMMIT)
    for strange in ("deploy", "setup", "--x"):
        with pytest.raises(UsageError, match="pipeline"):
            await again(records, intake, old.id, only=("unit", strange))
    asked = [
        await intake.restart(records.account, old.id, failed_only=False, person="bob", delivery="k")
        for _ in range(2)
    ]
    assert [each.new for each in asked] == [True, False]
    assert asked[0].build == asked[1].build
    # What is protected now counts, not what was then.
    await records.projects().change_settings(ID, lambda settings: replace(settings, protected=("x",)))
    assert not (await again(records, intake, old.id)).protected


async def test_a_repeat_of_what_never_began_has_the_secrets_it_was_to_have(
    records: Records, intake: Intake
) -> None:
    old = await start(records, intake, "main")
    await records.queue.cancel(old.id, "Ada asked")
    new = await again(records, intake, old.id, failed_only=True)
    assert (new.commit, new.secrets_of, new.pipelines) == (None, None, ())


async def test_nothing_of_a_green_build_failed(records: Records, intake: Intake) -> None:
    with pytest.raises(UsageError, match="nothing of the build failed"):
        await again(records, intake, await records.ended(), failed_only=True)
    with pytest.raises(LookupError):
        await again(records, intake, "0" * 32)


async def test_a_fork_is_never_protected(records: Records, intake: Intake) -> None:
    fork = await records.ended("main", trigger=Trigger.PULL_REQUEST, from_fork=True)
    repeated = await again(records, intake, fork)
    assert repeated.from_fork and not repeated.protected


async def test_a_push_is_built_once(records: Records, hooks: Hooks) -> None:
    event = push()
    assert await hooks.take(ID, event)
    assert not await hooks.take(ID, event)
    [build] = await records.builds.page(records.account, BuildFilter())
    assert (build.trigger, build.branch, build.commit, build.protected) == ("push", "main", COMMIT, True)
    assert await hooks.take(ID, push(tag=True))
    tag = (await records.builds.page(records.account, BuildFilter(limit=1)))[0]
    assert (tag.trigger, tag.ref, tag.branch, tag.commit, tag.protected) == (
        Trigger.TAG,
        "refs/tags/main",
        None,
        None,
        False,
    )
    assert await hooks.take(ID, push(after=None)), "what was removed is taken in, and built never"
    assert len(await records.builds.page(records.account, BuildFilter())) == 2
    assert not await hooks.take("cd" * 16, push())


async def test_a_hook_has_one_secret_and_for_a_day_the_one_before(records: Records, hooks: Hooks) -> None:
    async def taken() -> list[bytes]:
        target = await hooks.target(ID)
        assert target is not None
        return [secret.reveal() for secret in target.secrets]

    first, second, third = (derive_hook_secret(KEY, ID, version).reveal() for version in (1, 2, 3))
    assert await taken() == [first]
    await records.projects().change_settings(
        ID, lambda old: replace(old, hook_version=2, hook_changed_at=hooks.now)
    )
    assert await taken() == [second, first]
    hooks.now += KEPT_FOR + 1
    assert await taken() == [second]
    await records.projects().change_settings(
        ID, lambda old: replace(old, hook_version=3, hook_changed_at=hooks.now)
    )
    assert await taken() == [third, second]
    target = await hooks.target(ID)
    assert target and target.repository == str((await records.projects().all())[0].address)
    assert await hooks.target("cd" * 16) is None
    assert KEPT_FOR > 2 * WINDOW


async def test_a_push_of_the_longest_branch_is_built(records: Records, hooks: Hooks) -> None:
    """What the hook's door takes, the queue takes: no name is too long once it has its prefix."""
    assert await hooks.take(ID, push("x" * 250))
    [build] = await records.builds.page(records.account, BuildFilter(project=ID))
    assert (build.branch, build.ref) == ("x" * 250, "refs/heads/" + "x" * 250)
