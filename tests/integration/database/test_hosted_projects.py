"""The server's projects and secrets, over both databases."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.log import LogReader
from sealock.core.project import Project, owner_of
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import QueueState
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.store.database.backup import backup, restore
from sealock.store.database.engine import Database, open_database
from tests.support.hosted import ADDRESS, HOST_KEY, Hosted
from tests.support.keys import files

pytestmark = pytest.mark.anyio
CANARY = b"canary-4f1d"


@pytest.fixture
async def hosted(database: Database, tmp_path: Path) -> Hosted:
    made = Hosted(database, tmp_path / "data")
    await made.account("other")
    return made


async def add(hosted: Hosted, name: str = "parser", account: str = "local") -> Project:
    address = ADDRESS.replace("parser", name)
    return await hosted.projects.create(account, name, address, (HOST_KEY,))


async def keep(hosted: Hosted, project: Project, name: str = "TOKEN", kind: Kind = Kind.VARIABLE) -> None:
    await hosted.secrets.keep(
        "local", project.id, kind=kind, name=name, value=Secret(CANARY), scope=Scope((), False, True)
    )


async def test_a_new_project_has_a_key_that_opens(hosted: Hosted) -> None:
    made = await add(hosted)
    assert await hosted.projects.all("local") == [made]
    assert await hosted.projects.get("local", made.id) == made
    assert await hosted.projects.named("local", "parser") == made
    assert made.host_keys == (HOST_KEY,)
    with hosted.opener.open_key(made) as key:
        assert key.reveal().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")


async def test_another_accounts_project_is_not_found(hosted: Hosted) -> None:
    made = await add(hosted)
    await keep(hosted, made)
    secrets, projects = hosted.secrets, hosted.projects
    attempts = (
        projects.get("other", made.id),
        projects.named("other", "parser"),
        projects.settings("other", made.id),
        projects.change("other", made.id, ProjectSettings()),
        projects.reset_key("other", made.id),
        projects.remove("other", made.id, person="p"),
        projects.hook_secret("other", made.id),
        projects.reset_hook_secret("other", made.id),
        projects.get("local", "0" * 32),
        secrets.all("other", made.id),
        secrets.remove("other", made.id, "TOKEN"),
        secrets.keep(
            "other", made.id, kind=Kind.FILE, name="F", value=Secret(b"x"), scope=Scope((), False, True)
        ),
        secrets.remove("local", made.id, "OTHER"),
        secrets.remove("local", made.id, "TOKEN", 2),
    )
    for attempt in attempts:
        with pytest.raises(LookupError, match="no such"):
            await attempt
    assert await projects.all("other") == []
    assert await projects.get("local", made.id) == made
    assert await secrets.remove("local", made.id, "TOKEN") == 1


@pytest.mark.parametrize(
    ("name", "address", "told"),
    [
        ("Parser", ADDRESS, "cannot be a project's name"),
        ("parser", "https://git.example.org/team/parser.git", "https"),
        ("taken", ADDRESS, "there is a project taken already"),
        ("printer", ADDRESS.replace("parser", "taken"), "is built by the project taken already"),
    ],
)
async def test_what_cannot_be_is_refused_before_a_key_is_made(
    hosted: Hosted, name: str, address: str, told: str
) -> None:
    await add(hosted, "taken")
    owners = hosted.keys.files.owners()
    with pytest.raises(UsageError, match=told):
        await hosted.projects.create("local", name, address, (HOST_KEY,))
    assert hosted.keys.files.owners() == owners


async def test_a_server_is_not_believed_at_its_first_word(hosted: Hosted) -> None:
    with pytest.raises(UsageError):
        await hosted.projects.create("local", "parser", ADDRESS, ())
    assert await hosted.projects.all("local") == []


async def test_a_reset_makes_a_new_key_and_the_old_one_is_gone(hosted: Hosted) -> None:
    old = await add(hosted)
    new = await hosted.projects.reset_key("local", old.id)
    assert (new.sealed_key.version, new.public_key == old.public_key) == (2, False)
    assert await hosted.projects.get("local", old.id) == new
    hosted.opener.open_key(new).forget()
    both = (hosted.projects.reset_key("local", old.id) for _ in range(2))
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(each, Project) for each in results) >= 1
    assert all(isinstance(each, Project | UsageError) for each in results)


async def test_a_key_that_is_rotated_away_meanwhile_is_made_again(hosted: Hosted) -> None:
    old = await add(hosted)
    refused = iter([True, False])

    class Rotated:
        """Records that were just rotated."""

        def __getattr__(self, name: str) -> object:
            return getattr(hosted.ports.records("local"), name)

        async def replace(self, project: Project) -> None:
            if next(refused):
                raise RetiredKey
            await hosted.ports.records("local").replace(project)

    projects = hosted.with_ports(records=lambda _: Rotated())
    assert (await projects.reset_key("local", old.id)).sealed_key.version == 2


async def test_settings_are_checked_and_leave_the_hooks_secret_and_the_badge_alone(hosted: Hosted) -> None:
    made = await add(hosted)
    assert await hosted.projects.settings("local", made.id) == ProjectSettings()
    first = await hosted.projects.hook_secret("local", made.id)
    second = await hosted.projects.reset_hook_secret("local", made.id)
    assert second.reveal() != first.reveal()
    assert (await hosted.projects.reset_badge("local", made.id)).badge_version == 2
    wanted = ProjectSettings(default_branch="trunk", labels=("arm",), max_running=1)
    await hosted.projects.change("local", made.id, wanted)
    kept = await hosted.projects.settings("local", made.id)
    assert kept == replace(wanted, hook_version=2, hook_changed_at=1_760_000_000.0, badge_version=2)
    assert (await hosted.projects.hook_secret("local", made.id)).reveal() == second.reveal()
    with pytest.raises(UsageError, match="priority"):
        await hosted.projects.change("local", made.id, replace(wanted, priority=1000))
    assert await hosted.projects.settings("local", made.id) == kept


async def test_secrets_go_in_and_never_come_out(hosted: Hosted) -> None:
    made = await add(hosted)
    value = Secret(CANARY)
    name = await hosted.secrets.keep(
        "local", made.id, kind=Kind.VARIABLE, name="TOKEN", value=value, scope=Scope((), False, True)
    )
    with pytest.raises(ValueError, match="forgotten"):
        value.reveal()
    assert CANARY in hosted.keys.get(name)
    assert [each.name for each in await hosted.secrets.all("local", made.id)] == [name]
    for refused in ("SEALOCK_X", "1A", "A B"):
        value = Secret(CANARY)
        with pytest.raises(UsageError, match="cannot be a variable's name"):
            await hosted.secrets.keep(
                "local", made.id, kind=Kind.VARIABLE, name=refused, value=value, scope=Scope((), False, True)
            )
        with pytest.raises(ValueError, match="forgotten"):
            value.reveal()
    with pytest.raises(UsageError, match="has a variable TOKEN already"):
        await keep(hosted, made, kind=Kind.FILE)
    assert all(CANARY not in content for _, content in files(hosted.directory))
    assert await hosted.secrets.remove("local", made.id, "TOKEN", 1) == 1
    (gone,) = await hosted.secrets.all("local", made.id)
    assert gone.destroyed_at is not None


async def test_a_project_is_not_removed_while_a_build_runs(hosted: Hosted) -> None:
    made = await add(hosted)
    await keep(hosted, made)
    await hosted.worker()
    build = await hosted.build(made.id)
    claim = await hosted.queue.claim("w")
    assert claim is not None
    for _ in range(2):
        with pytest.raises(UsageError, match="build 1 of parser is running"):
            await hosted.projects.remove("local", made.id, person="p")
        assert len(hosted.keys.everything()) == 1
        await hosted.queue.cancel(build, "tests")  # it is stopping, which is running still
    assert await hosted.queue.finish(claim.fence, Outcome.CANCELLED, "tests")
    await hosted.projects.remove("local", made.id, person="p")
    assert await hosted.projects.all("local") == []


async def test_a_build_that_begins_while_its_project_is_removed_holds_that_up(hosted: Hosted) -> None:
    made = await add(hosted)
    await keep(hosted, made)
    await hosted.worker()
    await hosted.build(made.id)

    async def begin() -> None:
        await hosted.queue.claim("w")

    looks = iter([None, begin])  # after the look at what waits, before it is cancelled

    async def after_page() -> None:
        if (then := next(looks, None)) is not None:
            await then()

    hosted.builds.after_page = after_page
    with pytest.raises(UsageError, match="is running"):
        await hosted.projects.remove("local", made.id, person="p")
    assert len(hosted.keys.everything()) == 1


async def test_removing_cancels_all_that_waits(hosted: Hosted) -> None:
    made, other = await add(hosted), await add(hosted, "printer")
    waiting = [await hosted.build(made.id) for _ in range(130)]
    stays = await hosted.build(other.id)
    cancelled: list[str] = []

    class Queue:
        """The queue, watched."""

        async def cancel(self, build: str, reason: str) -> QueueState | None:
            cancelled.append(build)
            return await hosted.queue.cancel(build, reason)

    await hosted.with_ports(queue=Queue()).remove("local", made.id, person="p")
    assert sorted(cancelled) == sorted(waiting)
    assert await hosted.queue.why(stays) is not None
    assert await hosted.count("builds") == await hosted.count("queue_builds") == 1


async def log_of(hosted: Hosted, project: Project, build: str) -> None:
    log = await hosted.logs.begin(owner_of(project.id), build)
    log.write(CANARY + b"\n")
    log.close()


async def test_nothing_is_left_of_a_removed_project(hosted: Hosted) -> None:
    made, other = await add(hosted), await add(hosted, "printer")
    for project in (made, other):
        await keep(hosted, project)
        await log_of(hosted, project, project.id)
    await hosted.projects.remove("local", made.id, person="Ada")
    assert await hosted.projects.all("local") == [other]
    assert not (hosted.directory / "logs" / f"{made.id}.log").exists()
    told = hosted.logs.removal(made.id)
    assert told is not None
    assert told.by == "Ada"
    assert len(hosted.keys.everything()) == 2
    with pytest.raises(LookupError):
        await hosted.projects.remove("local", made.id, person="Ada")


STEPS = 6


@pytest.mark.parametrize("point", range(STEPS))
async def test_a_removal_cut_short_at_any_point_is_asked_for_again(hosted: Hosted, point: int) -> None:
    made = await add(hosted)
    await keep(hosted, made)
    await log_of(hosted, made, made.id)
    await hosted.build(made.id)
    counted = iter(range(100))

    class Cut:
        """A port that fails when it is time: before it has done something, or after."""

        def __init__(self, port: object) -> None:
            self._port = port

        def __getattr__(self, name: str) -> Callable[..., object]:
            return _cut(getattr(self._port, name), counted, point)

    ports = hosted.ports
    cut = hosted.with_ports(
        keys=Cut(ports.keys),
        remove_logs=_cut(ports.remove_logs, counted, point),
        places=[Cut(place) for place in ports.places],
    )
    with suppress(TemporaryError):
        await cut.remove("local", made.id, person="p")
    assert next(counted) == point + 1, "it was not cut short"
    await hosted.projects.remove("local", made.id, person="p")
    assert await hosted.projects.all("local") == []
    assert hosted.keys.everything() == {}
    assert hosted.keys.files.owners() == []
    assert list((hosted.directory / "logs").glob("*.log")) == []
    assert await hosted.count("builds") == 0


def _cut(method: Callable[..., object], counted: object, point: int) -> Callable[..., object]:
    def cut(*arguments: object) -> object:
        if next(counted) == point:  # type: ignore[call-overload]
            raise TemporaryError("cut short")
        done = method(*arguments)
        if next(counted) == point:  # type: ignore[call-overload]
            raise TemporaryError("cut short")
        return done

    return cut


async def test_an_old_backup_opens_nothing_of_a_removed_project(hosted: Hosted, tmp_path: Path) -> None:
    """P13: the whole database and the whole data directory but the keys are put back as they were."""
    made = await add(hosted)
    await keep(hosted, made)
    await log_of(hosted, made, made.id)
    name = next(name for name in hosted.keys.everything() if name.kind is Kind.VARIABLE)
    before = tmp_path / "before.gz"
    await backup(hosted.database, before)
    for part in ("sealed", "logs"):
        shutil.copytree(hosted.directory / part, tmp_path / "before" / part)
    hosted.opener.open_key(await hosted.projects.get("local", made.id)).forget()
    await hosted.projects.remove("local", made.id, person="p")
    for part in ("sealed", "logs"):
        shutil.rmtree(hosted.directory / part)
        (tmp_path / "before" / part).rename(hosted.directory / part)
    async with open_database(f"sqlite:///{tmp_path}/restored.db") as restored:
        await restore(restored, before)
        again = Hosted(restored, hosted.directory)
        back = await again.projects.get("local", made.id)
        assert isinstance(back.sealed_key, Sealed)
        assert back.sealed_key == made.sealed_key
        with pytest.raises(PermanentError, match="were destroyed"):
            again.opener.open_key(back)
        with pytest.raises(PermanentError, match="were destroyed"):
            again.keys.get(name)
        with pytest.raises(PermanentError, match="were destroyed"):
            await _read(again, made)
        with pytest.raises(PermanentError, match="were destroyed"):
            await again.projects.reset_key("local", made.id)
        await again.projects.remove("local", made.id, person="p")
        assert await again.projects.all("local") == []


async def _read(hosted: Hosted, project: Project) -> LogReader:
    return await hosted.logs.read(owner_of(project.id), project.id)
