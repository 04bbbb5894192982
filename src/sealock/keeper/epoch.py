"""The keeper's own sense of time and order, which no other clock and no restored copy can set back.

`now` never goes back, over restarts either, and `number` only goes up. A lease, session or grant names the
number it was made under and is void once there is a higher one. The file lies with the keeper, away from
the database; it also notes how far the ledger had come, so that an older ledger put in its place is seen.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from pydantic import BaseModel, Field, ValidationError

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory, read_secret_file, write_whole
from sealock.core.release import Entry
from sealock.keeper.statements import CONFIG

SET_BACK = 60.0
"""Seconds the host's clock may be behind what was seen before it counts as set back."""

LONGEST_FILE = 4096


class _File(BaseModel):
    model_config = CONFIG
    number: int = Field(ge=1, lt=2**53)
    latest: float = Field(ge=0, lt=2**53)
    sequence: int = Field(ge=0, lt=2**53)
    digest: str = Field(pattern=r"^([0-9a-f]{64})?$")


@dataclass(frozen=True)
class Clocks:
    """Where time comes from, both in seconds. running goes on while the host sleeps."""

    wall: Callable[[], float] = time.time
    running: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)


class Epoch:
    """Kept in one file. number: what is issued now names it."""

    def __init__(self, path: Path, clocks: Clocks | None = None) -> None:
        """Read the file, or begin: without it everything issued before is void. PermanentError if it is
        not safe to use."""
        self._path = path
        self._clocks = clocks or Clocks()
        make_private_directory(path.parent)
        found = _read(path)
        wall = self._clocks.wall()
        self._turn = Lock()
        self._latest = max(wall, found.latest if found else 0.0)
        self._latest_at = self._clocks.running()
        # Begun by the clock: a number lost with its file is not given again.
        self.number = found.number if found else max(1, int(wall))
        self._sequence, self._digest = (found.sequence, found.digest) if found else (0, "")
        if found and wall + SET_BACK < found.latest:
            self.advance()
        elif not found:
            self._write()

    def now(self) -> float:
        """Seconds since 1970: never less than before, and never standing still, whatever the host's clock
        says. One that was set forward and back again would else keep leases and grants from running out."""
        with self._turn:
            running = self._clocks.running()
            passed = max(0.0, running - self._latest_at)
            self._latest, self._latest_at = max(self._latest + passed, self._clocks.wall()), running
            return self._latest

    def advance(self) -> int:
        """Make everything issued so far void. The new number, on the disk when this returns.
        PermanentError if it cannot be kept."""
        self.number = max(self.number + 1, int(self.now()))
        self._write()
        return self.number

    def not_before(self, entry: Entry) -> None:
        """Let time go on from this entry of the ledger at least. PermanentError if the ledger has another
        entry in this place than it had."""
        with self._turn:
            if entry.at > self._latest:
                self._latest, self._latest_at = entry.at, self._clocks.running()
        if entry.sequence == self._sequence and entry.digest != self._digest:
            raise _other_ledger("it was written anew")

    def check_head(self, last: Entry | None) -> None:
        """PermanentError if the ledger ends before where it was seen to be."""
        if (last.sequence if last else 0) < self._sequence:
            raise _other_ledger(f"it had {self._sequence} entries, now it has {last.sequence if last else 0}")

    def keep(self, last: Entry | None) -> None:
        """Note the time, and how far the ledger has come. PermanentError if it cannot be kept."""
        self.now()
        if last is not None:
            self._sequence, self._digest = last.sequence, last.digest
        self._write()

    def _write(self) -> None:
        held = _File(
            number=self.number, latest=self._latest, sequence=self._sequence, digest=self._digest
        ).model_dump()
        try:
            write_whole(self._path, json.dumps(held).encode() + b"\n", 0o600)
        except OSError as error:
            raise PermanentError(
                f"the keeper's epoch {self._path} cannot be kept",
                details=str(error),
                resolution="Make room on its disk and the disk writable.",
            ) from error


def _read(path: Path) -> _File | None:
    try:
        return _File.model_validate_json(read_secret_file(path, longest=LONGEST_FILE))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise PermanentError(
            f"the keeper's epoch {path} is not as it was written",
            resolution="Remove it: the keeper begins a new epoch and every lease and grant so far is void.",
        ) from error


def _other_ledger(why: str) -> PermanentError:
    return PermanentError(
        "the release ledger is not the one this keeper wrote",
        details=why,
        resolution="Find out who exchanged it and put back the newest one. To begin anew all the same, "
        "remove the keeper's epoch file: every lease and grant so far is void then.",
    )
