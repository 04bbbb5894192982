"""Tells the watcher when a phase of a run begins, when it ends and whether it did what it was for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sealock.core.event import Emit, PhaseEnded, PhaseStarted


@dataclass
class Phase:
    """A phase that is going on. What is put into `detail` and `ok` is told when it ends."""

    name: str
    ok: bool = True
    detail: str = ""


@contextmanager
def phase(emit: Emit, name: str) -> Iterator[Phase]:
    """A phase as a block: it has failed when the block is left by an exception."""
    going_on = Phase(name)
    emit(PhaseStarted(name, time.time()))
    try:
        yield going_on
    except BaseException:
        going_on.ok = False
        raise
    finally:
        emit(PhaseEnded(name, time.time(), going_on.ok, going_on.detail))
