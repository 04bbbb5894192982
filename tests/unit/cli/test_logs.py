"""`sealock logs` prints a sealed log as it was shown, and only what there is."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealock.core.event import CommandEnded, CommandStarted, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.project import Project, owner_of, ssh_key_name
from sealock.core.sealed import Sealed
from sealock.core.source import GitAddress
from tests.support.leases import FakeBuildLogs, Vault
from tests.support.run import FakeProjects

Sealock = Callable[..., tuple[int, str, str]]
ID, BUILD = "0" * 32, "ab" * 16


class LogTools:
    def __init__(self, root: Path) -> None:
        self.vault = Vault(root)
        key = Sealed(ssh_key_name(ID, "shop", 1), 1, "none", b"", 0.0)
        self.kept = FakeProjects([Project(ID, "shop", GitAddress("git", "h", 22, "a"), (), "p", key, 0.0)])

    def projects(self) -> FakeProjects:
        return self.kept

    def sealed_values(self) -> object:
        return self.vault.values

    @asynccontextmanager
    async def logs(self) -> AsyncIterator[FakeBuildLogs]:
        yield self.vault.logs


@pytest.fixture
def tools(tmp_path: Path) -> LogTools:
    return LogTools(tmp_path)


def write(tools: LogTools, *, close: bool = True) -> None:
    log = asyncio.run(tools.vault.logs.begin(owner_of(ID), BUILD))
    log.mark(to_text(PhaseStarted("test:unit", 1.0)))
    log.mark(to_text(CommandStarted(1, "make test", 1.0)))
    log.write(b"first\nsecond \x1b[2J\xff\n")
    log.mark(to_text(CommandEnded(1, 0, 1.0)))
    log.mark(to_text(PhaseEnded("test:unit", 2.0, True)))
    log.flush()
    if close:
        log.close()


def test_a_log_is_printed_as_it_was_shown(sealock: Sealock, tools: LogTools) -> None:
    write(tools)
    code, out, err = sealock("logs", BUILD)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "==> test:unit"
    assert "make test" in lines[1]
    assert lines[2:4] == ["first", "second \ufffd"]


def test_for_programs_there_are_events(sealock: Sealock, tools: LogTools) -> None:
    write(tools)
    events = [json.loads(line) for line in sealock("logs", BUILD, "--json")[1].splitlines()]
    assert [each["event"] for each in events] == [
        *("phase-started", "command-started", "output", "output", "command-ended", "phase-ended")
    ]


def test_a_log_without_an_end_says_so(sealock: Sealock, tools: LogTools) -> None:
    write(tools, close=False)
    code, out, err = sealock("logs", BUILD)
    assert code == 0
    assert "first" in out
    assert "ends here without an end" in err


@pytest.mark.parametrize("build", [BUILD, "x", "../../etc/passwd", "AB" * 16])
def test_a_build_without_a_log_is_told(build: str, sealock: Sealock) -> None:
    code, _, err = sealock("logs", build)
    assert code == 2
    assert "there is no log" in err


def test_show_can_be_written_out(sealock: Sealock, tools: LogTools) -> None:
    write(tools)
    assert sealock("logs", "show", BUILD) == sealock("logs", BUILD)
    assert sealock("logs", "--json", BUILD) == sealock("logs", BUILD, "--json")
    assert "remove" in sealock("logs", "--help")[1]


def test_a_removed_log_says_who_removed_it_and_when(sealock: Sealock, tools: LogTools) -> None:
    write(tools)
    code, out, _ = sealock("logs", "remove", BUILD, "--yes")
    assert code == 0
    assert f"The log of build {BUILD} and its key are gone" in out
    assert tools.vault.logs.files.all() == []
    for command in (("logs", BUILD), ("logs", "remove", BUILD, "--yes")):
        code, out, err = sealock(*command)
        assert (code, out) == (2, "")
        assert f"the log of build {BUILD} was removed" in err
        assert f"by {pwd.getpwuid(os.getuid()).pw_name}" in err
        assert f"{datetime.now(UTC):%Y-%m-%dT}" in err


def test_removing_asks(sealock: Sealock, tools: LogTools, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tools)
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert sealock("logs", "remove", BUILD)[0] != 0
    assert sealock("logs", BUILD)[0] == 0


@pytest.mark.parametrize("build", [BUILD, "x", "../../etc/passwd", "AB" * 16])
def test_what_has_no_log_cannot_be_removed(build: str, sealock: Sealock) -> None:
    code, _, err = sealock("logs", "remove", build, "--yes")
    assert code == 2
    assert "there is no log" in err


def test_a_log_whose_project_is_gone_can_be_removed(sealock: Sealock, tools: LogTools) -> None:
    write(tools)
    tools.kept.kept.clear()
    assert sealock("logs", "remove", BUILD, "--yes")[0] == 0
    assert "was removed" in sealock("logs", BUILD)[2]
