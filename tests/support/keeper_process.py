"""`sealock keeper` as a process of its own, over directories of a test's own."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sealock.core.scope import Scope
from sealock.core.sealed import Sealed, SealedName
from sealock.keeper.backends.file import FileBackend
from sealock.keeper.backends.port import Backends
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.keyset_files import KeySetFiles
from sealock.keeper.keysets import KeySets
from sealock.keeper.signing import AsWorker
from tests.support.keeper import BUILDER, seal_value

START = 180.0
AS_RUN = AsWorker(lambda: BUILDER, is_run=True)


class RunningKeeper:
    """directory: holds `data` and `run`. process: the keeper. log: what it wrote, once it has ended."""

    def __init__(self, directory: Path, before: Sequence[str] = ()) -> None:
        """before: a command that runs the keeper, such as one that gives it a file system of its own."""
        self.directory = directory
        self.socket = directory / "run" / "keeper.sock"
        self.ledger = directory / "data" / "keeper" / "ledger" / "releases.jsonl"
        (directory / "run").mkdir(mode=0o700, exist_ok=True)
        self._log = (directory / "keeper.log").open("ab")
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "sealock", "keeper"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.PIPE,
            env=environment(directory),
        )

    @property
    def log(self) -> str:
        return (self.directory / "keeper.log").read_text()

    def wait_until_it_serves(self) -> None:
        """RuntimeError if it ends instead."""
        assert self.process.stderr is not None
        deadline = time.monotonic() + START
        seen = b""
        while b"serving on" not in seen:
            ready, _, _ = select.select([self.process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.process.stderr.fileno(), 65536) if ready else b""
            self._log.write(chunk)
            self._log.flush()
            seen += chunk
            if not chunk:
                raise RuntimeError(f"the keeper did not start: {seen.decode()}")

    def end(self, *, kill: bool = False) -> None:
        """Stop it, or kill it; whatever it wrote is in the log then. May be called twice."""
        if self._log.closed:
            return
        if kill:
            self.process.kill()
        else:
            self.process.terminate()
        _, rest = self.process.communicate(timeout=120)
        self._log.write(rest)
        self._log.close()

    def client(self) -> KeeperClient:
        """Of a worker that makes itself known."""
        return KeeperClient(LocalDoor(self.socket, frozenset({os.geteuid()})), AS_RUN, deadline=20.0)


def environment(directory: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")}
    return kept | {
        "SEALOCK_DATA_DIR": str(directory / "data"),
        "SEALOCK_RUNTIME_DIR": str(directory / "run"),
        "SEALOCK_TRACEBACK": "1",
    }


@contextmanager
def running_keeper(directory: Path, before: Sequence[str] = ()) -> Iterator[RunningKeeper]:
    keeper = RunningKeeper(directory, before)
    try:
        keeper.wait_until_it_serves()
        yield keeper
    finally:
        keeper.end()


def key_sets_of(directory: Path) -> KeySets:
    """Those of the installation, as whoever sets a secret on this host has them."""
    keys = directory / "data" / "keys"
    backend = FileBackend(keys / "key-encryption-key")
    return KeySets(KeySetFiles(keys / "sets"), Backends(backend), lambda: 0)


def seal_for(directory: Path, name: SealedName, value: bytes, scope: Scope | None = None) -> Sealed:
    return seal_value(key_sets_of(directory), name, value, scope)
