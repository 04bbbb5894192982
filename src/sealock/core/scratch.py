"""Directories in memory that are gone when the work is, also when the work was killed.

Each holds a lock for as long as its process lives. Whoever makes the next one removes those whose lock
nobody holds any more: a lock, unlike a process id, cannot be somebody else's by now.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sealock.core.errors import PermanentError

MAKING_SECONDS = 60.0
_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


@contextmanager
def scratch(parent: Path, kind: str) -> Iterator[Path]:
    """A new directory `<parent>/<kind>-<random>` of mode 0700, removed when the block is left.

    kind: small letters. PermanentError if it cannot be made.
    """
    sweep(parent, kind)
    path = parent / f"{kind}-{secrets.token_hex(8)}"
    descriptor = _make_locked(path)
    try:
        yield path
    finally:
        # Removed before the lock is let go, so that nobody else sweeps it at the same time.
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def abandoned(parent: Path) -> list[Path]:
    """What processes that are gone have left there, of every kind, also where one was killed while it
    made a directory."""
    if not parent.is_dir():
        return []
    found = [path for path in parent.iterdir() if _NAME.fullmatch(path.name) and not _in_use(path)]
    unnamed = [path for path in parent.glob(".*") if _NAME.fullmatch(path.name[1:])]
    return found + [path for path in unnamed if is_old(path)]


def is_old(path: Path) -> bool:
    """Whether a directory has been what it is for longer than it takes anybody to make one."""
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > MAKING_SECONDS
    return False


def _in_use(path: Path) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
    return True  # gone already, or not ours to look at


def sweep(parent: Path, kind: str) -> list[Path]:
    """Remove what processes that are gone have left; returns what was removed."""
    removed = []
    for path in parent.glob(f"{kind}-*"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # gone already, or not ours to look at
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(descriptor)
    return removed


def _make_locked(path: Path) -> int:
    """The lock is taken under another name, so that a sweep never meets the directory without it."""
    unnamed = path.with_name(f".{path.name}")
    try:
        unnamed.mkdir(mode=0o700, parents=True)
        descriptor = os.open(unnamed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(path)
    except OSError as error:
        raise PermanentError(
            f"cannot make a directory in {path.parent}",
            details=str(error),
            resolution="Make it writable for the user Sealock runs as, on tmpfs with room to spare.",
        ) from error
    return descriptor
