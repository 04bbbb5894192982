"""A build from a directory of this host: every way it can come out, and the receipt at its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.errors import ConfigError, ExitCode, TemporaryError, UsageError
from sealock.core.event import NO_IMAGE, Event, Output
from sealock.core.machine import Ending, MachineState, NetworkPolicy
from sealock.core.source import DirectorySource
from sealock.machines.fake import FakeMachines, Faults
from tests.support.checkout import make_repository, memory
from tests.support.run import Course

pytestmark = pytest.mark.anyio


def plan(test: str, setup: str = "true", more: str = "") -> str:
    return f"setup:\n  - {json.dumps(setup)}\ntest:\n  unit:\n    - {json.dumps(test)}\n{more}"


class Lab:
    """A directory to build, and what builds it."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.root, self.runtime = root, runtime
        self.source = DirectorySource(root / "sample")
        self.course = self.with_faults(Faults())

    def with_faults(self, faults: Faults) -> Course:
        from sealock.builds.checkout import CheckoutPorts
        from sealock.machines.agent import SshAgents
        from sealock.providers.git.address import parse
        from sealock.providers.git.dial import GitDialer
        from sealock.providers.git.ref import check_ref

        ports = CheckoutPorts(GitDialer([]), SshAgents(self.runtime), parse, check_ref)
        self.course = Course(self.root, self.runtime, ports, FakeMachines(self.runtime / "machines", faults))
        return self.course

    def write(self, text: str) -> str:
        return make_repository(self.source.path, {"sealock.yml": text, "hello": "hello from the commit\n"})


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with memory() as runtime:
        yield Lab(tmp_path, runtime)
        left = [path for path in runtime.rglob("*") if not path.is_dir()]
        assert left == []


async def test_a_green_build_and_its_receipt(lab: Lab) -> None:
    commit = lab.write(plan("cat hello"))
    result = await lab.course.run(lab.source)
    assert result.exit_code == 0
    assert lab.course.output == "hello from the commit\n"
    assert lab.course.phases == [
        ("machine", True),
        ("fetch", True),
        ("setup", True),
        ("test:unit", True),
        ("end", True),
    ]
    record = result.record
    assert (record.outcome, record.commit, record.source) == (Outcome.GREEN, commit, "directory:sample")
    assert record.machine is not None
    assert record.machine.state is MachineState.GONE
    assert lab.course.is_authentic(result)


@pytest.mark.parametrize(
    ("test", "more", "faults", "outcome", "reason"),
    [
        ("exit 3", "", Faults(), Outcome.RED, "`exit 3` ended with exit code 3"),
        ("sleep 9", "timeouts: {silence: 1s}", Faults(), Outcome.SILENT, "no output for 1 seconds"),
        (
            "while sleep 0.1; do echo; done",
            "timeouts: {silence: 1s, total: 1s}",
            Faults(),
            Outcome.TOO_LONG,
            "ran for longer than 1 seconds",
        ),
        ("yes", "", Faults(cut_after=100_000), Outcome.MACHINE_LOST, "stopped answering"),
        ("yes", "", Faults(cut_after=100_000, cut_as=Ending.PANICKED), Outcome.MACHINE_LOST, "panicked"),
        ("yes", "", Faults(cut_after=100_000, cut_as=Ending.POWERED_OFF), Outcome.MACHINE_LOST, "powered"),
    ],
)
async def test_every_way_a_build_fails_has_a_receipt(
    *, test: str, more: str, faults: Faults, outcome: Outcome, reason: str, lab: Lab
) -> None:
    lab.write(plan(test, more=more))
    course = lab.with_faults(faults)
    result = await course.run(lab.source)
    assert result.record.outcome is outcome
    assert reason in result.record.reason
    assert result.exit_code == ExitCode.BUILD_FAILED
    assert course.phases[-2:] == [("test:unit", False), ("end", True)]
    assert course.is_authentic(result)


async def test_cancelling_returns_a_result(lab: Lab) -> None:
    lab.write(plan("echo begun; sleep 60"))
    begun = asyncio.Event()
    lab.course.events = Told(begun.set)
    task = asyncio.create_task(lab.course.run(lab.source))
    async with asyncio.timeout(10):
        await begun.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    result = await task
    assert result.record.outcome is Outcome.CANCELLED
    assert result.exit_code == ExitCode.BUILD_FAILED
    assert lab.course.is_authentic(result)
    assert lab.course.machines.records[0].state is MachineState.GONE


class Told(list[Event]):
    """Calls `first` at the first output."""

    def __init__(self, first: Callable[[], None]) -> None:
        super().__init__()
        self.first = first

    def append(self, happened: Event) -> None:
        super().append(happened)
        if isinstance(happened, Output):
            self.first()


async def test_a_fault_of_ours_ends_the_machine_and_is_in_the_receipt(lab: Lab) -> None:
    lab.write(plan("true"))

    def stumble() -> None:
        raise ZeroDivisionError("division by zero")

    lab.course.events = Told(stumble)
    lab.source.path.joinpath("sealock.yml").write_text(plan("echo hi"))
    source = DirectorySource(lab.source.path, working_tree=True)
    result = await lab.course.run(source)
    assert result.record.outcome is Outcome.ERROR
    assert result.exit_code == ExitCode.INFRASTRUCTURE
    assert "ZeroDivisionError" in result.record.reason
    assert lab.course.is_authentic(result)


async def test_the_working_tree_is_built_when_asked_for(lab: Lab) -> None:
    lab.write(plan("cat hello"))
    (lab.source.path / "hello").write_text("hello from the working tree\n")
    result = await lab.course.run(DirectorySource(lab.source.path, working_tree=True))
    assert lab.course.output == "hello from the working tree\n"
    assert result.record.working_tree


async def test_one_pipeline_of_several_and_another_image(lab: Lab) -> None:
    lab.write("test:\n  a: [echo a]\n  b: [echo b]\n")
    result = await lab.course.run(lab.source, ("b",), "base")
    assert lab.course.commands == ["echo b"]
    assert result.record.pipelines == ("b",)
    assert result.record.image_name == "base"


async def test_the_plan_decides_about_the_machine(lab: Lab) -> None:
    lab.write("network: none\nimage: node\ntest:\n  a: [env]\n")
    result = await lab.course.run(lab.source)
    assert result.record.image_name == "node"
    assert lab.course.machines.records[0].network is NetworkPolicy.NONE


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("test:\n  unit: 3\n", ConfigError, "sealock.yml:2:"),
        ("image: nothere\ntest:\n  unit: [x]\n", UsageError, "there is no image nothere"),
    ],
)
async def test_a_wrong_plan_starts_no_machine(text: str, error: type[Exception], says: str, lab: Lab) -> None:
    lab.write(text)
    with pytest.raises(error, match=says):
        await lab.course.run(lab.source)
    assert lab.course.machines.records == []
    assert lab.course.phases in ([], [(NO_IMAGE, False)])


async def test_what_is_no_repository_starts_no_machine(lab: Lab) -> None:
    lab.source.path.mkdir()
    with pytest.raises(UsageError):
        await lab.course.run(lab.source)
    assert lab.course.machines.records == []


async def test_a_repository_without_a_plan_is_told_what_to_add(lab: Lab) -> None:
    make_repository(lab.source.path)
    with pytest.raises(UsageError, match=r"there is no sealock\.yml"):
        await lab.course.run(lab.source)


@pytest.mark.parametrize("ref", ["nowhere", "-x", "a..b", "a\nb"])
async def test_a_ref_that_is_not_there_or_not_one_starts_no_machine(ref: str, lab: Lab) -> None:
    lab.write(plan("true"))
    with pytest.raises(UsageError):
        await lab.course.run(DirectorySource(lab.source.path, ref))
    assert lab.course.machines.records == []


async def test_a_machine_that_does_not_come_up_is_raised(lab: Lab) -> None:
    lab.write(plan("true"))
    course = lab.with_faults(Faults(never_ready=True))
    with pytest.raises(TemporaryError):
        await course.run(lab.source)
    assert course.phases == [("machine", False)]


async def test_two_builds_at_once_do_not_meet(lab: Lab) -> None:
    lab.write(plan("test ! -e ../canary && touch ../canary && sleep 0.3"))
    first, second = await asyncio.gather(lab.course.run(lab.source), lab.course.run(lab.source))
    assert {first.record.outcome, second.record.outcome} == {Outcome.GREEN}
    assert first.record.id != second.record.id


async def test_an_image_that_is_not_there_is_told_as_a_phase(lab: Lab) -> None:
    lab.write(plan("true", more="image: nothere\n"))
    with pytest.raises(UsageError, match="there is no image nothere"):
        await lab.course.run(lab.source)
    assert lab.course.phases == [(NO_IMAGE, False)]
