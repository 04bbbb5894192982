"""Directories that are gone when the work is, also when it was killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.scratch import scratch, sweep


def test_it_is_private_and_goes_with_its_block(tmp_path: Path) -> None:
    with scratch(tmp_path / "new", "agent") as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "file").touch()
        assert sweep(tmp_path / "new", "agent") == []
    assert not path.exists()


def test_it_goes_when_the_block_raises(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch(tmp_path, "agent") as path:
        raise RuntimeError
    assert not path.exists()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom sealock.core.scratch import scratch\n"
        "with scratch(Path(sys.argv[1]), 'agent') as path:\n"
        "    (path / 'file').touch(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    (tmp_path / "other-kind").mkdir()
    (tmp_path / "agent-link").symlink_to(tmp_path / "other-kind")
    with scratch(tmp_path, "agent"):
        assert not left.exists()
    assert (tmp_path / "other-kind").exists()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermanentError), scratch(tmp_path / "file", "agent"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
