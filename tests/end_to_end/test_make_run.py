"""The main job, as the README says it: from nothing to a green build and a receipt that verifies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealock.core.machine import Remains
from sealock.machines.reaper import HostReaper
from sealock.settings import load
from tests.support.traces import left, traces

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@contextmanager
def make_run(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    """`make run ONCE=1` in a process group of its own, all it prints on one pipe."""
    with subprocess.Popen(
        ["make", "--no-print-directory", "run", "ONCE=1"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), "CI": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def left_of(temporary: Path, patience: float = 60.0) -> list[str]:
    """What stays of a run that had `temporary` for its files: those, and living processes."""
    deadline = time.monotonic() + patience
    while (found := there_of(temporary)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def there_of(temporary: Path) -> list[str]:
    """What is there of it now."""
    found = [str(path) for path in temporary.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={temporary}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found


def orphans() -> set[Remains]:
    """What lies in the runtime directory and has lost its owner; processes may be those of others."""
    found = HostReaper(load()[0].runtime_dir).find()
    return {remains for remains in found if remains.orphaned and remains.kind != "process"}


def test_make_run_builds_a_real_package_and_leaves_nothing(tmp_path: Path) -> None:
    before, marked = orphans(), traces()
    with make_run(tmp_path) as process:
        output, _ = process.communicate(timeout=2400)
    assert process.returncode == 0, output
    assert " passed" in output
    assert "remote: Sealock: told of refs/heads/main" in output
    assert "\n✔ green in " in output
    assert "P6: nothing was written to a disk" in output
    assert re.search(r"\nhttps://localhost:[0-9]+/builds/[0-9a-f]{32}\n", output)
    assert left_of(tmp_path) == []
    assert orphans() <= before
    assert left(marked) == set()


def test_ctrl_c_in_the_middle_of_a_build_leaves_nothing(tmp_path: Path) -> None:
    before, marked = orphans(), traces()
    with make_run(tmp_path) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if line.startswith("==> test:"):
                os.killpg(process.pid, signal.SIGINT)
                break
        rest, _ = process.communicate(timeout=300)
    assert process.returncode != 0, seen + rest
    assert left_of(tmp_path) == []
    assert orphans() <= before
    assert left(marked) == set()
