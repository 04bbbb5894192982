"""`sealock run`: what was typed becomes a request, what happened becomes lines and an exit code."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sealock.builds.pinned import Pinned, Version
from sealock.core.build import Outcome
from sealock.core.errors import PermanentError, SealockError, UsageError
from sealock.core.machine import Remains
from sealock.core.release import Basis, Entry, Released
from sealock.core.sealed import Kind
from sealock.core.source import DirectorySource, GitAddress, RemoteSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import FakeTools

    Sealock = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.GREEN, 0),
        (Outcome.RED, 1),
        (Outcome.SILENT, 1),
        (Outcome.TOO_LONG, 1),
        (Outcome.CANCELLED, 1),
        (Outcome.MACHINE_LOST, 1),
        (Outcome.ERROR, 3),
    ],
)
def test_the_outcome_decides_the_exit_code(
    outcome: Outcome, code: int, tools: FakeTools, sealock: Sealock
) -> None:
    tools.fake_runner.outcome = outcome
    assert sealock("run")[0] == code


@pytest.mark.parametrize(("error", "code"), [(UsageError("broken yaml"), 2), (PermanentError("no disk"), 3)])
def test_an_error_after_a_machine_ran_is_told_beside_the_summary(
    error: SealockError, code: int, tools: FakeTools, sealock: Sealock
) -> None:
    tools.fake_runner.outcome, tools.fake_runner.error = Outcome.ERROR, error
    found, out, err = sealock("run")
    assert found == code
    assert f"Error: {error.brief}" in err
    assert "/receipts/b.json" in out


def test_an_error_before_a_machine_ran_is_told(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.raises = UsageError("no image python", resolution="Build it.")
    code, _, err = sealock("run")
    assert code == 2
    assert err == "Error: no image python\nWhat to do: Build it.\n"


def test_a_directory_is_the_source_by_default(tools: FakeTools, sealock: Sealock) -> None:
    sealock("run", "--working-tree", "--pipeline", "a", "--pipeline", "b", "--image", "base")
    (request,) = tools.fake_runner.requests
    assert request.source == DirectorySource(Path(), None, True)
    assert (request.pipelines, request.image) == (("a", "b"), "base")


def test_an_address_is_a_remote_source(tools: FakeTools, sealock: Sealock) -> None:
    sealock("run", "git@example.com:a/b.git", "--ref", "v1")
    assert tools.fake_runner.requests[0].source == RemoteSource(
        GitAddress("git", "example.com", 22, "a/b.git"), "v1"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "There is no directory nowhere"),
        (["ext::sh -c id"], "is no address"),
        (["git@h:p", "--working-tree"], "--working-tree is for a directory"),
        (["--", "-x"], "There is no directory -x"),
        (["-x"], "No such option"),
        (["a\nb"], "There is no directory a b"),
        (["a\0b"], "There is no directory"),
    ],
)
def test_bad_input_is_a_usage_error(arguments: list[str], says: str, sealock: Sealock) -> None:
    code, out, err = sealock("run", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_plain_lines_where_there_is_no_terminal(sealock: Sealock) -> None:
    _, out, _ = sealock("run")
    lines = out.splitlines()
    assert lines[:4] == ["==> test:unit", "$ echo hello", "hello", "    exit 0 in 0.25 s"]
    assert lines[4].startswith("    done in 0.0")
    assert "\x1b" not in out


def test_the_summary_says_what_became_of_key_and_machine(sealock: Sealock) -> None:
    _, out, _ = sealock("run")
    assert "green in 4.00 s" in out
    assert "key      opened for 0.50 s, removed 0.50 s before the first command" in out
    assert "machine  clone of python, tcg; disk bytes written: 0; gone in 0.25 s" in out


def test_json_lines_end_with_the_result(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.output = ("ž\x1b[2J".encode()[:1], "ž\x1b[2J".encode()[1:], b"\xff\n", b"\xc5")
    code, out, _ = sealock("run", "--json")
    assert out.isascii()
    assert "\x1b" not in out
    events = [json.loads(line) for line in out.splitlines()]
    assert [each["event"] for each in events if each["event"] != "output"] == [
        *("phase-started", "command-started", "command-ended", "phase-ended", "result")
    ]
    text = "".join(each["text"] for each in events if each["event"] == "output")
    assert text == "ž\x1b[2J\ufffd\n\ufffd"
    assert events[-1]["outcome"] == "green"
    assert events[-1]["exit_code"] == code == 0
    assert events[-1]["record"]["machine"]["disk_bytes_written"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_the_build_and_waits_for_its_end(
    number: signal.Signals, tools: FakeTools, sealock: Sealock
) -> None:
    tools.fake_runner.waits = True
    sender = threading.Timer(0.2, os.kill, [os.getpid(), number])
    sender.start()
    code, out, _ = sealock("run")
    sender.join()
    assert code == 1
    assert "cancelled in" in out
    assert "/receipts/b.json" in out
    assert signal.getsignal(number) in {signal.SIG_DFL, signal.default_int_handler}


def test_what_crashed_runs_left_is_told(tools: FakeTools, sealock: Sealock) -> None:
    tools.remains = [
        Remains("m1", "process", "1", 2, True),
        Remains("m1", "directory", "d", 2, True),
        Remains("m2", "process", "3", 2, True),
    ]
    _, out, _ = sealock("run")
    assert out.splitlines()[0] == "--- ended what 2 machine(s) of an earlier, crashed run had left"


def test_live_can_be_asked_for(sealock: Sealock) -> None:
    code, out, _ = sealock("run", "--live")
    assert code == 0
    assert "hello" in out
    assert "test:unit" in out


def test_a_reader_who_goes_away_cancels_the_build(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.waits = True
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream, pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdout", stream)
        code, _, err = sealock("run")
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    assert (code, err) == (1, "")


class Ledger:
    """One build of project `p`, which was given TOKEN in version 3."""

    async def exposures(self, *builds: str) -> list[Entry]:
        (build,) = builds
        fact = Released(
            "local", "p", "variable", "TOKEN", 3, Basis.LEASE, "", build, 1, "test:a", "w", "w", "0" * 64
        )
        return [Entry(1, 1.0, fact, "0" * 64, "0" * 64)] if build == "b" * 32 else []


def test_the_versions_of_an_earlier_build_are_asked_for(
    tools: FakeTools, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tools), "exposures", lambda _: Ledger(), raising=False)
    assert sealock("run", "--secrets-of", "b" * 32)[0] == 0
    assert sealock("run")[0] == 0
    pinned, newest = (request.pinned for request in tools.fake_runner.requests)
    assert pinned == Pinned("b" * 32, frozenset({"p"}), {"TOKEN": Version(Kind.VARIABLE, 3)})
    assert newest is None


def test_an_earlier_build_that_nobody_knows_starts_nothing(
    tools: FakeTools, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(tools), "exposures", lambda _: Ledger(), raising=False)
    code, _, err = sealock("run", "--secrets-of", "c" * 32)
    assert code == 2
    assert "there is no build" in err
    assert tools.fake_runner.requests == []
