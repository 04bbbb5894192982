"""P16: somebody who runs code in the website's process finds no program there, no other process, no way to a
machine and none of the keeper's keys; where it is a user of its own, nothing of anybody else, and a keeper
that answers what is a website's."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EACCES, EPERM
from pathlib import Path

import pytest

from tests.support.checkout import memory
from tests.support.own_users import KEEPER, SETTINGS, WEBSITE, WEBSITE_ID, libraries, python_for_all
from tests.support.ports import free_port
from tests.support.taken_over_website import Aims

pytestmark = pytest.mark.slow

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
        "SEALOCK_KEEPER_USER": KEEPER,
    }


@contextmanager
def started(environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    """A program of ours, until its standard input ends."""
    with subprocess.Popen(
        [python_for_all(), "-P", *command],
        env=environment | {"PYTHONPATH": libraries()},
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
    must go on doing. asked: the keeper's answers. lines: what it said before."""

    tries: dict[str, list[int]]
    works: dict[str, int]
    asked: dict[str, str]
    lines: list[str]


def taken_over(directory: Path, *bare: str, keepers: dict[str, str] | None = None, **own: str) -> Found:
    """What was tried in a website that serves. keepers, own: settings of the keeper, and of the website."""
    settings = environment(directory)
    with started(settings | (keepers or {}), "-m", "sealock", "keeper", "--attended") as keeper:
        said(keeper, "serving on ")
        with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as other:
            try:
                secret = directory / "data" / "keeper" / "keys" / "key-encryption-key"
                aims = Aims(other.pid, str(secret), f"/proc/{other.pid}/ns/net", others_files(directory))
                module = "tests.support.taken_over_website"
                with started(settings | own, "-m", module, aims.as_json(), *bare) as website:
                    lines = said(website, '{"found')
            finally:
                other.kill()
    found = json.loads(lines[-1])
    return Found(found["found"], found["works"], found["asked"], lines[:-1])


def others_files(directory: Path) -> dict[str, str]:
    """What belongs to others of the same installation, made where it is not there."""
    data = directory / "data"
    for name in ("projects", "receipts", "worker"):
        (data / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "worker" / "worker.pem").write_text("the worker's key")
    machines = directory / "run" / "templates"
    machines.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        "the owner's key": str(data / "owner-key"),
        "the keeper's directory": str(data / "keeper"),
        "the worker's key": str(data / "worker" / "worker.pem"),
        "projects of sealock run": str(data / "projects"),
        "receipts of sealock run": str(data / "receipts"),
        "machines": str(machines),
        "what there is": str(data),
    }


def refused(tries: dict[str, list[int]]) -> set[str]:
    """What never succeeded."""
    return {name for name, errors in tries.items() if set(errors) <= {EPERM, EACCES}}


def test_without_the_barrier_each_try_succeeds(directory: Path) -> None:
    found = taken_over(directory, "bare")
    assert found.tries == {name: [0, 0] for name in found.tries}
    assert set(found.works.values()) == {0}


def test_it_starts_nothing_looks_into_nothing_and_reaches_no_key_and_no_machine(directory: Path) -> None:
    found = taken_over(directory)
    tries = {name: errors for name, errors in found.tries.items() if name not in others_files(directory)}
    assert refused(tries) == set(tries), found.tries
    assert set(found.works.values()) == {0}, found.works
    assert found.lines[:5] == [
        "user: root; nothing that root runs is kept out. The website can have a user of its own",
        "rights: none, and none can be gained",
        "core dumps: none",
        "memory of this process: hidden from others",
        "system calls: filtered; no program, no process, "
        "sockets to the network and to processes of this host only",
    ]


def test_a_website_that_is_root_may_ask_the_keeper_for_everything(directory: Path) -> None:
    """Or nothing would be refused below."""
    found = taken_over(directory, "bare")
    assert found.asked == dict.fromkeys(found.asked, "done")


def test_one_with_a_user_of_its_own_reaches_nothing_of_others_and_no_more_of_the_keeper(
    directory: Path,
) -> None:
    found = taken_over(directory, keepers=SETTINGS, **SETTINGS)
    assert refused(found.tries) == set(found.tries), found.tries
    assert set(found.works.values()) == {0}, found.works
    assert found.lines[0] == f"user: {WEBSITE}, the website's own; only root is not kept out"
    assert found.lines[1] == "rights: none, and none can be gained"
    assert list(found.asked.values()) == ["done"] * 3 + ["Refused"] * 5, found.asked
    data = directory / "data"
    for name in ("website", "keys", "logs", "sealed", "authority"):
        assert {path.lstat().st_uid for path in (data / name, *(data / name).rglob("*"))} == {WEBSITE_ID}
