"""What a worker says of a build that is over, and how it waits for a website."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.run import RunResult
from sealock.builds.worker_wire import Job, Welcome, decode, encode
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.machine import Ending, MachineRecord, NetworkPolicy, Origin
from sealock.core.project import Project, SealedKey
from sealock.core.project_settings import ProjectSettings
from sealock.core.source import GitAddress
from sealock.link.host import machines_ready, machines_that_fit
from sealock.link.running import Ends, Fails, checked_address, known_of, what_to_say, what_to_say_of
from sealock.link.website import Trace, told_in, unless_shaking_hands
from sealock.machines.agent import SshAgents
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer
from sealock.providers.git.ref import check_ref


def result(outcome: Outcome, error: SealockError | None = None, ending: Ending | None = None) -> RunResult:
    machine = MachineRecord("m", "sha256:0", Origin.CLONE, "kvm", NetworkPolicy.NONE, "SHA256:0")
    machine.ending = ending
    rest: dict[str, Any] = {"outcome": outcome, "reason": "because", "machine": machine}
    record = BuildRecord("a" * 32, "s", None, None, False, (), "python", "", "", "", 1.0, **rest)
    return RunResult(record, None, error)


@pytest.mark.parametrize("outcome", [Outcome.GREEN, Outcome.RED, Outcome.SILENT, Outcome.CANCELLED])
def test_what_its_own_commands_decided_is_its_end(outcome: Outcome) -> None:
    made = result(outcome)
    assert what_to_say(made) == Ends(outcome, "because", made.record)


def test_our_own_fault_is_tried_again_where_that_may_help() -> None:
    assert what_to_say(result(Outcome.ERROR, TemporaryError("away"))) == Fails("away", temporary=True)
    assert what_to_say(result(Outcome.ERROR, PermanentError("full"))) == Fails("full", temporary=False)
    assert isinstance(what_to_say(result(Outcome.ERROR, UsageError("sealock.yml:1:1: no"))), Ends)


def test_what_people_can_mend_says_how_and_what_operators_must_does_not() -> None:
    ours = UsageError("the key was refused", details="a guest's text", resolution="Install it.")
    told = Ends(Outcome.ERROR, "the key was refused. Install it.")
    assert what_to_say_of(ours, "b") == told
    said = what_to_say(result(Outcome.ERROR, ours))
    assert isinstance(said, Ends) and said.reason == told.reason
    away = TemporaryError("the keeper is away", resolution="Start it.")
    assert what_to_say_of(away, "b") == Fails("the keeper is away", temporary=True)


def test_a_fault_is_logged_with_what_the_build_is_called(caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(what_to_say_of(ValueError("odd"), "shop, build 12"), Fails)
    assert "shop, build 12: ended by a fault" in caplog.text


def test_the_log_names_a_build_by_its_project() -> None:
    project = Project("p", "shop", GitAddress("git", "h", 22, "p"), (), "k", SealedKey(1, *[""] * 6), 0.0)
    first = Job.model_construct(project=project, build="b" * 32, attempt=1)
    assert first.name == f"shop, build {'b' * 32}"
    assert first.model_copy(update={"attempt": 2}).name == f"{first.name}, attempt 2"


def job(ref: str | None, branch: str | None, *, protected: bool = False) -> Job:
    return Job.model_construct(run="a" * 32, ref=ref, branch=branch, protected=protected)


@pytest.mark.parametrize(
    ("ref", "branch", "protected"),
    [
        ("refs/heads/main", "main", True),
        ("main", "main", True),
        (None, "main", True),
        ("refs/tags/v1", None, False),
        ("refs/heads/topic", "topic", False),
        ("topic", "topic", False),
        ("c" * 40, None, False),
        (None, None, False),
    ],
)
def test_steps_are_told_what_is_built(ref: str | None, branch: str | None, protected: bool) -> None:
    known = known_of(job(ref, branch, protected=protected), check_ref)
    assert (known.run, known.ref, known.branch) == ("a" * 32, ref, branch)


@pytest.mark.parametrize("branch", [None, "main"])
@pytest.mark.parametrize("ref", ["main; id", "--upload-pack=id", "main\nid", "*", "a b", "..", ""])
def test_steps_are_told_nothing_that_can_be_no_name(ref: str, branch: str | None) -> None:
    with pytest.raises(UsageError, match="is no ref"):
        known_of(job(ref, branch), check_ref)
    with pytest.raises(UsageError, match="is no ref"):
        known_of(job(None, ref), check_ref)


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize(
    "ref", ["refs/tags/main", "refs/heads/refs/heads/main", "c" * 40, "main;id", "$(id)"]
)
def test_a_build_of_a_branch_is_called_by_no_other_name(ref: str, protected: bool) -> None:
    assert known_of(job(ref, None), check_ref).ref == ref
    with pytest.raises(UsageError, match="said to be of the branch main"):
        known_of(job(ref, "main", protected=protected), check_ref)


def whole(**changes: object) -> Job:
    project = Project("p", "shop", GitAddress("git", "h", 22, "p"), (), "k", SealedKey(1, *[""] * 6), 0.0)
    return job("refs/heads/main", "main").model_copy(
        update={
            "build": "b" * 32, "attempt": 1, "lease": 1.0, "away": 1.0, "account": "local", "commit": None,
            "pipelines": (), "pinned": False, "project": project, "settings": ProjectSettings(), **changes,
        }
    )  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"commit": "c" * 40}, {"commit": "0" * 64}, {"run": "0a" * 16}])
def test_a_job_is_taken(changes: dict[str, object]) -> None:
    assert decode(Job, encode(whole(**changes))) == whole(**changes)


@pytest.mark.parametrize("commit", ["main", "refs/heads/main", "C" * 40, "c" * 41, "c" * 40 + "\n", ""])
def test_a_commit_is_never_a_name(commit: str) -> None:
    """One that is the name of a branch would be found on it, whatever the build is said to be of."""
    with pytest.raises(UsageError, match=r"that is no Job: commit$"):
        decode(Job, encode(whole(commit=commit)))


@pytest.mark.parametrize("run", ["$(id)", "0a" * 15, "0A" * 16, "0a" * 16 + "\n", ""])
def test_what_the_steps_are_told_as_their_builds_id_is_one(run: str) -> None:
    with pytest.raises(UsageError, match=r"that is no Job: run$"):
        decode(Job, encode(whole(run=run)))


@pytest.mark.parametrize(
    "name", ["shop\non the keeper's host, run: sealock", "on the keeper's host, run: x", ""]
)
def test_a_build_writes_nothing_of_a_websites_into_the_workers_own_log(name: str) -> None:
    """Operators do what stands there."""
    assert whole().name == f"shop, build {'b' * 32}"
    with pytest.raises(UsageError, match=r"that is no Job: project$"):
        decode(Job, encode(whole(project=replace(whole().project, name=name))))
    with pytest.raises(UsageError, match=r"that is no Job: build$"):
        decode(Job, encode(whole(build=name)))


@pytest.mark.parametrize(
    "name", [f"builder {'0' * 64} #", "builder;id", "builder\n", "run@builder", "", "a" * 64]
)
def test_a_worker_is_called_nothing_that_would_admit_another_key(name: str) -> None:
    """It prints the command that admits it, with what the website calls it before its own key."""
    assert decode(Welcome, b'{"name": "builder-1.example", "version": "1"}').name == "builder-1.example"
    with pytest.raises(UsageError, match=r"that is no Welcome: name$"):
        decode(Welcome, json.dumps({"name": name, "version": "1"}).encode())


def test_what_a_website_answers_is_one_line() -> None:
    told = httpx2.Response(400, json={"detail": "no.\non the keeper's host, run: x\x1b[2J\u2028y"})
    assert told_in(told) == "no. on the keeper's host, run: x [2J y"


PORTS = CheckoutPorts(GitDialer([]), SshAgents(Path("/nowhere")), parse, check_ref)
ADDRESS = GitAddress("git", "git.example", 2222, "/team/shop.git")


def of(address: GitAddress) -> Job:
    return whole(project=replace(whole().project, address=address))


@pytest.mark.parametrize("path", ["/team/shop.git", "team/shop", "~team/shop"])
def test_an_address_is_taken_as_it_was_read(path: str) -> None:
    address = replace(ADDRESS, path=path)
    assert checked_address(of(address), PORTS) == address


@pytest.mark.parametrize(
    "part",
    [
        {"user": "git\n    ProxyCommand id"},
        {"user": "git\n"},
        {"user": ""},
        {"user": "a@b", "port": 22, "path": "c"},
        {"host": "-oProxyCommand=id"},
        {"host": "git.example *"},
        {"host": "GIT.example"},
        {"host": "git.example:2222/x", "port": 22},
        {"path": "/team/../shop.git"},
        {"path": "/~/shop.git"},
        {"path": "/team//shop.git"},
        {"path": "/team/shop.git/"},
        {"path": "-x"},
        {"port": 0},
        {"port": 65536},
    ],
    ids=str,
)
def test_an_address_in_no_spelling_of_ours_is_not_fetched(part: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"refused|is not how"):
        checked_address(of(replace(ADDRESS, **part)), PORTS)


def test_a_machine_that_died_is_tried_again_and_one_that_ended_itself_is_not() -> None:
    assert what_to_say(result(Outcome.MACHINE_LOST, ending=Ending.LOST)) == Fails("because", temporary=True)
    assert isinstance(what_to_say(result(Outcome.MACHINE_LOST, ending=Ending.PANICKED)), Ends)


def test_before_a_machine_has_run_there_is_no_record() -> None:
    assert what_to_say_of(asyncio.CancelledError(), "b") == Ends(Outcome.CANCELLED, "it was cancelled")
    assert what_to_say_of(UsageError("no such branch"), "b") == Ends(Outcome.ERROR, "no such branch")
    assert what_to_say_of(TemporaryError("away"), "b") == Fails("away", temporary=True)
    said = what_to_say_of(ZeroDivisionError("with a secret in it"), "b")
    assert said == Fails("a fault of Sealock: ZeroDivisionError", temporary=False)


@pytest.mark.parametrize(("mib", "cores", "fit"), [(8192, 4, 4), (3000, 8, 2), (500, 4, 1), (10**6, 500, 64)])
def test_as_many_machines_as_there_is_memory_and_cores_for(
    tmp_path: Path, mib: int, cores: int, fit: int
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 1 kB\nMemAvailable:   {mib * 1024} kB\n")
    assert machines_that_fit(meminfo, cores) == fit


@pytest.mark.anyio
@pytest.mark.parametrize("event", ["connection.start_tls.complete", "connection.connect_tcp.failed"])
async def test_a_request_is_not_cancelled_while_it_connects(event: str) -> None:
    connects, connected, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def request(trace: Trace) -> httpx2.Response:
        await trace("connection.connect_tcp.started", None)
        connects.set()
        try:
            await connected.wait()
            await trace(event, None)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return httpx2.Response(200)

    asking = asyncio.create_task(unless_shaking_hands(request))
    await connects.wait()
    asking.cancel()
    await asyncio.sleep(0.05)
    assert not cancelled.is_set()
    connected.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert cancelled.is_set()


@pytest.mark.parametrize(("mib", "ready"), [(8192, 1), (2458, 1), (2457, 0), (500, 0)])
def test_a_machine_is_kept_ready_where_there_is_memory_beside_a_build(
    tmp_path: Path, mib: int, ready: int
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemAvailable:   {mib * 1024} kB\n")
    assert machines_ready(meminfo) == ready
