"""What the processes of a server show of its secrets: the environment and the arguments of each, as /proc has
them, with secrets planted in the environment that `sealock up` is started with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sealock.core.image import Image
from tests.support.traces import left, traces
from tests.support.up import Up

pytestmark = pytest.mark.slow

CANARY = b"canary-7f3a"
OWN = {
    "keeper": {b"SEALOCK_KEY_PASSPHRASE_FILE", b"AWS_SECRET_ACCESS_KEY", b"HTTPS_PROXY"},
    "web": {b"SEALOCK_DATABASE"},
}
"""The only ones that somebody is to have."""


@pytest.fixture
def up(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Up]:
    before = traces()
    made = Up(tmp_path, machine_runtime)
    canary = CANARY.decode()
    try:
        made.start(
            SEALOCK_DATABASE=f"sqlite:///{made.data}/{canary}.db",
            SEALOCK_KEY_PASSPHRASE_FILE=f"/{canary}",
            AWS_SECRET_ACCESS_KEY=canary,
            GITHUB_TOKEN=canary,
            PGPASSWORD=canary,
            HTTPS_PROXY=f"http://me:{canary}@proxy.example.com",
        )
        yield made
    finally:
        made.stop()
    assert left(before) == set()


def descendants(pid: int) -> Iterator[int]:
    """Of a process, itself among them."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from descendants(int(child))


def showing(pid: int, what: str) -> set[bytes]:
    """Names of variables, or arguments, that have the canary in them."""
    with suppress(ProcessLookupError, FileNotFoundError):
        shown = Path(f"/proc/{pid}/{what}").read_bytes().split(b"\0")
        return {one.partition(b"=")[0] for one in shown if CANARY in one}
    return set()


def test_each_part_has_its_own_secrets_and_no_others(up: Up) -> None:
    parts = {name: up.child(name) for name in ("keeper", "web", "worker")}
    for name, part in parts.items():
        for pid in descendants(part):
            assert showing(pid, "environ") <= OWN.get(name, set()), name
            assert showing(pid, "cmdline") == set(), name
    assert showing(parts["web"], "environ") == OWN["web"], "it was looked for where it is"
    assert showing(parts["keeper"], "environ") == OWN["keeper"]
    assert showing(up.process.pid, "cmdline") == set()
