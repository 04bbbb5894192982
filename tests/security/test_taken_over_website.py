"""P16: somebody who runs code in the website's process finds no program there, no other process, no way to a
machine and none of the keeper's keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EPERM
from pathlib import Path

import pytest

from tests.support.checkout import memory
from tests.support.taken_over_website import Aims
from tests.support.website import free_port

pytestmark = pytest.mark.slow

KEEPERS_USER = "nobody"
START = 120.0


@pytest.fixture
def directory() -> Iterator[Path]:
    with memory() as made:
        made.chmod(0o711)
        yield made


def environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")}
    website, workers = free_port(), free_port()
    return kept | {
        "SEALOCK_DATA_DIR": str(directory / "data"),
        "SEALOCK_RUNTIME_DIR": str(directory / "run"),
        "SEALOCK_ORIGIN": f"https://localhost:{website}",
        "SEALOCK_LISTEN": f"127.0.0.1:{website}",
        "SEALOCK_WORKER_LISTEN": f"127.0.0.1:{workers}",
        "SEALOCK_KEEPER_USER": KEEPERS_USER,
    }


@contextmanager
def started(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program of ours, until its standard input ends."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-P", *command],
        env=environment | {"PYTHONPATH": f"{root / 'src'}:{root}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.communicate(timeout=START)


def said(process: subprocess.Popen[str], begins: str) -> list[str]:
    """Its lines up to one that begins so."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(begins):
            return lines
    raise AssertionError("\n".join(lines))


@dataclass(frozen=True)
class Found:
    """The kernel's answers, on the first thread and on another. tries: of who took it over. works: of what it
    must go on doing. lines: what it said before."""

    tries: dict[str, list[int]]
    works: dict[str, int]
    lines: list[str]


def taken_over(directory: Path, *bare: str) -> Found:
    """What was tried in a website that serves."""
    settings = environment(directory)
    with started(settings, "-m", "sealock", "keeper", "--attended") as keeper:
        said(keeper, "serving on ")
        with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as other:
            try:
                secret = directory / "data" / "keeper" / "keys" / "key-encryption-key"
                aims = Aims(other.pid, str(secret), f"/proc/{other.pid}/ns/net")
                module = "tests.support.taken_over_website"
                with started(settings, "-m", module, aims.as_json(), *bare) as website:
                    lines = said(website, '{"found')
            finally:
                other.kill()
    found = json.loads(lines[-1])
    return Found(found["found"], found["works"], lines[:-1])


def test_without_the_barrier_each_try_succeeds(directory: Path) -> None:
    found = taken_over(directory, "bare")
    assert found.tries == {name: [0, 0] for name in found.tries}
    assert set(found.works.values()) == {0}


def test_it_starts_nothing_looks_into_nothing_and_reaches_no_key_and_no_machine(directory: Path) -> None:
    found = taken_over(directory)
    answers = {name: set(errors) <= {EPERM, EACCES} for name, errors in found.tries.items()}
    assert answers == dict.fromkeys(answers, True), found.tries
    assert set(found.works.values()) == {0}, found.works
    assert found.lines[:4] == [
        "rights: none, and none can be gained",
        "core dumps: none",
        "memory of this process: hidden from others",
        "system calls: filtered; no program, no process, "
        "sockets to the network and to processes of this host only",
    ]
