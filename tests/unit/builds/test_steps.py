"""Steps run in one shell, one command after the other, until one fails or time is up."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from sealock.builds.shell import ShellEnded
from sealock.builds.step_secrets import StepSecrets
from sealock.builds.steps import environment, judge, run_steps
from sealock.builds.verdict import Verdict
from sealock.builds.watcher import Drained, Watcher, at_once
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import TemporaryError
from sealock.core.event import CommandEnded, CommandStarted, Event, Output, PhaseEnded, PhaseStarted
from sealock.core.machine import MachineSpec
from sealock.core.plan import Plan, Step, Timeouts
from sealock.core.source import Checkout
from sealock.livelog.mask import StreamMasker
from sealock.machines.fake import FakeMachines, Faults
from sealock.store.sealed import SealedFiles
from tests.support.processes import is_running

pytestmark = pytest.mark.anyio

DONE = Checkout(commit="a" * 40, directory="")
HOUR = Timeouts(60, 60)
NO_FAULTS = Faults()


def new_record(ref: str | None = None) -> BuildRecord:
    digest = "sha256:" + "0" * 64
    return BuildRecord(
        id="b" * 32,
        source="directory:x",
        ref=ref,
        commit=None,
        working_tree=False,
        pipelines=(),
        image_name="base",
        image_digest=digest,
        image_content=digest,
        plan_digest=digest,
        started_at=time.time(),
    )


class Watched:
    """Steps that ran in a fake machine, and what was told about them."""

    def __init__(self, root: Path, faults: Faults = NO_FAULTS) -> None:
        self.machines = FakeMachines(root, faults)
        self.record = new_record()
        self.events: list[Event] = []
        self.drained: Drained = at_once

    async def run(
        self, *tests: str, setup: tuple[str, ...] = (), timeouts: Timeouts = HOUR, **env: str
    ) -> Verdict:
        steps = (Step("setup", "setup", setup),) if setup else ()
        plan = Plan("base", (*steps, Step("test", "unit", tests)), environment=env, timeouts=timeouts)
        async with self.machines.machine(MachineSpec("sha256:" + "0" * 64)) as machine:
            found = environment(plan, DONE, self.record, "main")
            watcher = Watcher(self.events.append, self.drained)
            nothing = StepSecrets({}, None, SealedFiles(Path("/nonexistent")), StreamMasker(), [])
            return await run_steps(
                machine, plan, self.record, watcher, directory="", env=found, secrets=nothing
            )

    @property
    def output(self) -> str:
        return b"".join(e.data for e in self.events if isinstance(e, Output)).decode()

    @property
    def codes(self) -> list[int | None]:
        return [result.exit_code for result in self.record.commands]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_green_when_every_command_ends_with_0(watched: Watched) -> None:
    assert await watched.run("echo one", "echo two") == Verdict(Outcome.GREEN)
    assert watched.output == "one\ntwo\n"
    assert watched.codes == [0, 0]
    assert watched.record.first_command_at is not None


async def test_the_state_of_the_setup_is_there_for_the_tests(watched: Watched) -> None:
    setup = ("mkdir deep && cd deep", "export A=1; b=2", "f() { echo called; }")
    said = await watched.run("basename $PWD; echo $A $b; f", setup=setup)
    assert said.outcome is Outcome.GREEN
    assert watched.output == "deep\n1 2\ncalled\n"


async def test_the_first_failure_ends_the_build(watched: Watched) -> None:
    said = await watched.run("true", "(exit 7)", "echo never")
    assert said == Verdict(Outcome.RED, "`(exit 7)` ended with exit code 7")
    assert watched.codes == [0, 7]
    assert "never" not in watched.output


async def test_a_failed_setup_runs_no_test(watched: Watched) -> None:
    assert (await watched.run("echo never", setup=("false",))).outcome is Outcome.RED
    assert [result.step for result in watched.record.commands] == ["setup"]


async def test_the_events_come_in_order(watched: Watched) -> None:
    await watched.run("echo hi", setup=("true",))
    kinds = [type(each) for each in watched.events]
    assert kinds == [
        *(PhaseStarted, CommandStarted, CommandEnded, PhaseEnded),
        *(PhaseStarted, CommandStarted, Output, CommandEnded, PhaseEnded),
    ]
    names = [each.name for each in watched.events if isinstance(each, PhaseStarted)]
    assert names == ["setup", "test:unit"]
    assert [each.number for each in watched.events if isinstance(each, CommandStarted)] == [1, 2]


async def test_silence_stops_a_command(watched: Watched) -> None:
    said = await watched.run("sleep 60", timeouts=Timeouts(silence=0.3, total=60))
    assert said == Verdict(Outcome.SILENT, "`sleep 60`: no output for 0.3 seconds")
    assert watched.codes == [None]


async def test_a_command_that_keeps_talking_is_stopped_by_the_total_time(watched: Watched) -> None:
    said = await watched.run(
        "while sleep 0.05; do echo still here; done", timeouts=Timeouts(silence=10, total=0.6)
    )
    assert said == Verdict(Outcome.TOO_LONG, "it ran for longer than 0.6 seconds")
    assert watched.codes == [None]


async def test_cancelling_kills_what_runs(watched: Watched) -> None:
    watched.events = spoken = Spoken()
    task = asyncio.create_task(watched.run("echo $BASHPID; sleep 60"))
    await spoken.first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        # A signal is sent at once and takes effect when the kernel gets to it.
        while is_running(int(watched.output)):  # noqa: ASYNC110 - nothing tells when it has
            await asyncio.sleep(0.01)
    assert watched.codes == [None]


async def test_a_lost_machine_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path, Faults(cut_after=2000))
    with pytest.raises(TemporaryError):
        await watched.run("yes")
    assert watched.codes == [None]
    assert watched.events[-1] == PhaseEnded("test:unit", watched.events[-1].at, ok=False)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("line", "ended", "left", "outcome"),
    [
        ("true", 0, 3, None),
        ("exit 0", ShellEnded(0), 0, None),
        ("exec true", ShellEnded(0), 2, Outcome.RED),
        ("exit 1", ShellEnded(1), 2, Outcome.RED),
        ("kill -9 $$", ShellEnded(137), 0, Outcome.RED),
        ("false", 1, 0, Outcome.RED),
    ],
)
def test_how_a_command_ends_decides(
    line: str, ended: int | ShellEnded, left: int, outcome: Outcome | None
) -> None:
    verdict = judge(line, ended, left)
    assert (verdict.outcome if verdict else None) is outcome


async def test_ending_the_shell_early_does_not_make_the_build_green(watched: Watched) -> None:
    said = await watched.run("echo tests", setup=("exit 0",))
    assert said.outcome is Outcome.RED
    assert "1 more command(s) could not run" in said.reason


async def test_the_commands_find_the_environment(watched: Watched) -> None:
    await watched.run("env | grep -E '^(CI|SEALOCK|X)' | sort", X="y z", SEALOCK_COMMIT="forged")
    assert watched.output.splitlines() == [
        "CI=true",
        "SEALOCK=true",
        "SEALOCK_BRANCH=main",
        "SEALOCK_BUILD_ID=" + "b" * 32,
        "SEALOCK_COMMIT=" + "a" * 40,
        "X=y z",
    ]


@pytest.mark.parametrize("ref", [None, "v1"])
def test_a_ref_is_told_when_one_was_asked_for(ref: str | None) -> None:
    env = environment(Plan("base", (), {"CI": "false"}), DONE, new_record(ref), None)
    assert env.get("SEALOCK_REF") == ref
    assert env["CI"] == "false"
    assert "SEALOCK_BRANCH" not in env


async def test_a_flood_passes_through(watched: Watched) -> None:
    counted = [0]
    watched.events = Counted(counted)
    said = await watched.run("head -c 50000000 /dev/zero")
    assert said.outcome is Outcome.GREEN
    assert counted[0] == 50_000_000


async def test_a_slow_watcher_holds_the_machine_back_but_not_the_end(watched: Watched) -> None:
    watched.drained = asyncio.Event().wait  # type: ignore[assignment]  # what it returns is not looked at
    said = await watched.run("yes", timeouts=Timeouts(silence=30, total=1))
    assert said.outcome is Outcome.TOO_LONG
    assert len(watched.output) < 1_000_000


class Spoken(list[Event]):
    """first: set at the first output."""

    def __init__(self) -> None:
        super().__init__()
        self.first = asyncio.Event()

    def append(self, happened: Event) -> None:
        super().append(happened)
        if isinstance(happened, Output):
            self.first.set()


class Counted(list[Event]):
    """Keeps the number of bytes, not the bytes."""

    def __init__(self, counted: list[int]) -> None:
        super().__init__()
        self.counted = counted

    def append(self, happened: Event) -> None:
        if isinstance(happened, Output):
            self.counted[0] += len(happened.data)
