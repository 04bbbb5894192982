"""A tools object of fakes: what `sealock run` is handed instead of an installation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sealock.builds.request import RunRequest
from sealock.builds.run import RunResult
from sealock.builds.watcher import Drained
from sealock.cli.tools import SettingRow
from sealock.core import event
from sealock.core.build import BuildRecord, Outcome
from sealock.core.errors import SealockError, UsageError
from sealock.core.machine import Ending, MachineRecord, MachineState, NetworkPolicy, Origin, Remains
from sealock.core.receipt import Receipt
from sealock.core.source import GitAddress


def new_record(outcome: Outcome = Outcome.GREEN, reason: str = "") -> BuildRecord:
    machine = MachineRecord("m", "sha256:0", Origin.CLONE, "tcg", NetworkPolicy.INTERNET, "SHA256:0")
    for at, state in enumerate(MachineState):
        machine.enter(state, 100.0 + at)
    machine.ending, machine.disk_bytes_written, machine.process_reaped_at = Ending.DESTROYED, 0, 103.25
    digest = "sha256:" + "0" * 64
    record = BuildRecord(
        "b", "s", None, "c" * 40, False, (), "python", digest, digest, digest, 100.0, machine
    )
    record.key_opened_at, record.key_removed_at, record.first_command_at = 100.0, 100.5, 101.0
    record.outcome, record.reason, record.ended_at = outcome, reason, 104.0
    return record


@dataclass
class FakeRunner:
    """Tells the usual events, then comes out as it was told to, or waits to be cancelled."""

    outcome: Outcome = Outcome.GREEN
    error: SealockError | None = None
    raises: BaseException | None = None
    waits: bool = False
    output: tuple[bytes, ...] = (b"hello\n",)
    requests: list[RunRequest] = field(default_factory=list)

    async def run(self, request: RunRequest, emit: event.Emit, drained: Drained) -> RunResult:
        self.requests.append(request)
        if self.raises is not None:
            raise self.raises
        emit(event.PhaseStarted("test:unit", time.time()))
        emit(event.CommandStarted(1, "echo hello", time.time()))
        for data in self.output:
            emit(event.Output(data))
            await drained()
        outcome = self.outcome
        if self.waits:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                outcome = Outcome.CANCELLED
        emit(event.CommandEnded(1, 0, 0.25))
        emit(event.PhaseEnded("test:unit", time.time(), True, "fine"))
        record = new_record(outcome, "why")
        return RunResult(record, Receipt("b", b"", Path("/receipts/b.json"), "k"), self.error)


class FakeReaper:
    def __init__(self, remains: list[Remains]) -> None:
        self.remains = remains

    def find(self) -> list[Remains]:
        return self.remains

    def reap(self) -> list[Remains]:
        removed, self.remains = self.remains, []
        return removed


class FakeTools:
    def __init__(self) -> None:
        self.fake_runner = FakeRunner()
        self.remains: list[Remains] = []

    def settings(self) -> list[SettingRow]:
        return [SettingRow("image", "python", "default"), SettingRow("qemu", "q", "SEALOCK_QEMU")]

    def git_address(self, url: str) -> GitAddress:
        user, _, rest = url.partition("@")
        host, _, path = rest.partition(":")
        if not path:
            raise UsageError(f"{url} is no address", resolution="Write user@host:path.")
        return GitAddress(user, host, 22, path)

    def reaper(self) -> FakeReaper:
        return FakeReaper(self.remains)

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[FakeRunner]:
        yield self.fake_runner


@pytest.fixture(autouse=True)
def nobody_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be signed in to a server; these commands are not to act on it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def tools() -> FakeTools:
    return FakeTools()


@pytest.fixture
def sealock(tools: FakeTools, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line: exit code, standard output, standard error."""
    from sealock.cli.main import run_command_line

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run_command_line(tools, arguments)  # type: ignore[arg-type]  # what these commands need
        out, err = capfd.readouterr()
        return int(code), out, err

    return call
