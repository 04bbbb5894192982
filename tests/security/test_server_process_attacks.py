"""What the website's process leaves on its host: files others may read, dumps of its memory.

It is started as somebody careless would, without a umask and with dumps allowed.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealock.core.files import make_private_directory
from tests.support.ports import free_port

PUBLIC = ("certificate.pem", "installation.pub")
"""What everybody may read, as it is given to everybody."""


@contextmanager
def program(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours over an installation in `root`, once it serves."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")} | {
        "SEALOCK_DATA_DIR": str(root / "var/lib/sealock"),
        "SEALOCK_RUNTIME_DIR": str(root / "run"),
        "SEALOCK_ORIGIN": "https://localhost:8443",
        "SEALOCK_LISTEN": f"127.0.0.1:{free_port()}",
        "SEALOCK_WORKER_LISTEN": f"127.0.0.1:{free_port()}",
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "sealock", *arguments],
        env=environment,
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        umask=0,
        preexec_fn=_careless,  # noqa: PLW1509
    )
    assert process.stdout is not None
    try:
        said = ""
        while not re.search("^serving on ", said, re.MULTILINE):
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _careless() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def shared(root: Path) -> list[str]:
    """What somebody else but its owner may change, or read although it is no directory."""
    found = []
    for path in [*root.rglob("*")]:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue  # it was there for a moment only, as a database's journal is
        if stat.S_ISLNK(mode) or stat.S_ISSOCK(mode):
            continue
        forbidden = 0o022 if stat.S_ISDIR(mode) else 0o077
        if mode & forbidden and path.name not in PUBLIC:
            found.append(f"{path.relative_to(root)} {mode & 0o7777:04o}")
    return found


@pytest.mark.slow
def test_nothing_of_the_website_is_left_to_others(tmp_path: Path) -> None:
    with program(tmp_path, "keeper", "--attended"), program(tmp_path, "web") as website:
        time.sleep(0.5)
        limits = Path(f"/proc/{website.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
        opened = re.search(r"Max open files +(\d+) +(\d+)", limits)
        assert opened is not None and opened[1] == opened[2] != "256"
        assert shared(tmp_path) == []
    assert (tmp_path / "var/lib/sealock/server.db").exists(), "there was something to look at"


def test_directories_on_the_way_are_nobody_elses_to_change(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_directory(tmp_path / "var/lib/sealock/keys")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes == {"var": 0o755, "lib": 0o755, "sealock": 0o755, "keys": 0o700}


DUMPED = """
import ctypes, os, resource, sys
from sealock.core.own_process import leave_no_dump
resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
if sys.argv[1] == "protected":
    leave_no_dump()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.parametrize(("how", "found"), [("bare", "1 1048576 1048576"), ("protected", "0 0 0")])
def test_memory_that_is_protected_cannot_be_dumped(how: str, found: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DUMPED, how], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == found
