"""The main job, as the README says it: from nothing to a green build and a receipt that verifies."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def ours(directory: Path) -> list[str]:
    """Command lines of living processes that name `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found


def test_make_run_builds_a_real_package_and_leaves_nothing(tmp_path: Path) -> None:
    result = subprocess.run(
        ["make", "--no-print-directory", "run", "ONCE=1"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
    assert "green" in result.stdout
    assert list(tmp_path.iterdir()) == []
    assert ours(tmp_path) == []
