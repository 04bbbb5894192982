"""`sealock` as a person has it installed, with a data directory of its own, started as a process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.core.image import Image
from tests.support.checkout import make_repository
from tests.support.images import cache_directory
from tests.support.traces import left, traces

PLAN = "image: base\ntest:\n  unit:\n"


class Installation:
    """Sealock with a data directory of its own; images and templates are those of the test session."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.root = root
        self.source = root / "sample"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")} | {
            "SEALOCK_CONFIG": str(root / "sealock.toml"),
        }
        (root / "sealock.toml").write_text(
            f'data_dir = "{root}/data"\nimages_dir = "{cache_directory()}/images"\n'
            f'runtime_dir = "{runtime}"\ngit_allow = ["127.0.0.1"]\nimage = "base"\n'
        )

    def start(
        self, *arguments: str, kind: type[subprocess.Popen[str]] = subprocess.Popen
    ) -> subprocess.Popen[str]:
        """Start a command in a session of its own."""
        return kind(
            [sys.executable, "-m", "sealock", *arguments],
            env=self.env,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, standard output, standard error."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=400)
            finally:
                process.kill()
        return process.returncode, out, err

    def write(self, *commands: str) -> None:
        lines = "".join(f"    - {json.dumps(command)}\n" for command in commands)
        make_repository(self.source, {"sealock.yml": PLAN + lines, "hello": "hello from the commit\n"})

    def verify(self, out: str) -> None:
        """The receipt that a summary names verifies, by the command for it."""
        path = re.search(r"^  receipt  (.+)$", out, re.MULTILINE)
        assert path, out
        code, told, err = self("receipt", "verify", path[1])
        assert code == 0, told + err


@pytest.fixture
def sealock(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Installation]:
    before = traces()
    yield Installation(tmp_path, machine_runtime)
    assert left(before) == set()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return
    pytest.fail(f"{text!r} did not come: {''.join(seen)} {process.stderr and process.stderr.read()}")
