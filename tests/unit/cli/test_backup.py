"""`sealock backup` and `sealock restore`: what is told, and what is passed on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.cli.backup import now_and_then
from sealock.cli.main import run_command_line
from sealock.core.backup import Kept, Told
from sealock.core.errors import ExitCode, UsageError

KEPT = Kept({"accounts": 1, "builds": 41}, {"logs": 7, "sealed": 9}, 12_345_678)


class BackupTools:
    """A port that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Path]] = []

    def backups(self) -> BackupTools:
        return self

    def backup(self, file: Path, told: Told) -> Kept:
        told("logs: 1 of 7 files")
        self.asked.append(("backup", file))
        return KEPT

    def restore(self, file: Path, _: Told) -> Kept:
        self.asked.append(("restore", file))
        raise UsageError(f"there is something in {file.parent}")


def test_a_backup_says_what_it_holds_and_what_it_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    tools = BackupTools()
    assert run_command_line(tools, ["backup", "/srv/today"]) == ExitCode.GREEN  # type: ignore[arg-type]
    assert tools.asked == [("backup", Path("/srv/today"))]
    told = capsys.readouterr()
    assert "12.3 MB: 42 rows of the database, 7 files of logs, 9 files of sealed." in told.out
    assert "holds no key" in told.out
    assert told.err == ""  # it was done before a line was due


def test_why_a_restore_is_refused_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(BackupTools(), ["restore", "/srv/today"]) == ExitCode.USAGE  # type: ignore[arg-type]
    assert "there is something in /srv" in capsys.readouterr().err


def test_lines_come_now_and_then() -> None:
    now, lines = [0.0], list[str]()
    told = now_and_then(lines.append, lambda: now[0])
    for second in range(60):
        now[0] = second / 10
        told(f"at {second / 10}")
    assert lines == ["at 2.0", "at 4.0"]
