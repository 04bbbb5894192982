"""The sealed template: a guest that waits for its identity, kept so that clones can go on from there.

It holds no key, no identity and nothing of any customer. Its memory is a memfd that the kernel seals
once it is complete: from then on nobody, not even a QEMU that a guest took over, can change what other
clones will start from. A copy on tmpfs lets the next process skip the boot; it is used only if every
byte is what was saved.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# From <linux/fcntl.h>; Python names them from 3.14 on.
_F_ADD_SEALS = 1033
_SEAL, _SHRINK, _GROW, _WRITE = 1, 2, 4, 8
_PIECE = 4 << 20


@dataclass
class Template:
    """memory and state: memfds; memory is sealed against writing, growing, shrinking and unsealing."""

    memory: int
    state: int
    size: int

    def open_state(self) -> int:
        """A descriptor of its own that reads the device state from its beginning."""
        return os.open(f"/proc/self/fd/{self.state}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let go of it. Clones that run keep what they need."""
        for descriptor in (self.memory, self.state):
            with suppress(OSError):
                os.close(descriptor)


def new_memory(size: int, name: str = "sealock-memory") -> int:
    """Guest memory nobody else can name, of `size` bytes, all zero, none of it used yet."""
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, size)
    return descriptor


def seal(descriptor: int) -> None:
    """Nothing can change it any more. OSError (busy) while somebody still has it mapped for writing."""
    fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEAL | _SHRINK | _GROW | _WRITE)


class Lock:
    """Held by the one process that makes a template; others wait for what it makes."""

    def __init__(self, directory: Path) -> None:
        self._path = Path(f"{directory}.lock")
        self._descriptor = -1

    def take(self) -> bool:
        """Try to take it; False if another process has it."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def remove(directory: Path) -> None:
    """Forget a kept copy."""
    shutil.rmtree(directory, ignore_errors=True)


def drop_oldest(parent: Path, keep: int) -> list[Path]:
    """Remove all but the `keep` copies that were used last, each takes some 150 MiB of memory; returns what
    was removed. One that another process is making or loading stays."""
    kept = (path.parent for path in parent.glob("*/template.json") if not path.parent.suffix)
    removed = []
    for directory in sorted(kept, key=_last_used, reverse=True)[keep:]:
        lock = Lock(directory)
        if lock.take():
            remove(directory)
            lock.release()
            removed.append(directory)
    return removed


def _last_used(directory: Path) -> float:
    try:
        return (directory / "template.json").stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process has just removed it


def unfinished(parent: Path) -> list[Path]:
    """Copies that were being made by processes that are gone."""
    found = []
    for beside in parent.glob("*.new"):
        lock = Lock(beside.with_suffix(""))
        if lock.take():
            found.append(beside)
            lock.release()
    return found


def save(template: Template, directory: Path) -> None:
    """Keep a copy under `directory`, which lies on tmpfs: all of it or nothing."""
    beside = Path(f"{directory}.new")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True, mode=0o700)
        sums = {
            "memory": _copy(template.memory, _create(beside / "memory")),
            "state": _copy(template.state, _create(beside / "state")),
        }
        (beside / "template.json").write_text(json.dumps({"size": template.size, "sha256": sums}))
        shutil.rmtree(directory, ignore_errors=True)
        beside.rename(directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load(directory: Path) -> Template | None:
    """The copy kept there, sealed, or None if there is none. ValueError if it is not what was saved."""
    try:
        about = json.loads((directory / "template.json").read_text())
        size, sums = int(about["size"]), dict(about["sha256"])
        os.utime(directory / "template.json")
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{directory}/template.json is damaged: {error}") from error
    template = Template(new_memory(0), new_memory(0, "sealock-state"), size)
    try:
        _fill(template, directory, sums)
    except OSError as error:
        template.close()
        raise ValueError(f"{directory} is damaged: {error}") from error
    except BaseException:
        template.close()
        raise
    return template


def _fill(template: Template, directory: Path, sums: dict[str, object]) -> None:
    """Copy what is kept into the template and seal it. ValueError if a byte of it is another."""
    for name, target in (("memory", template.memory), ("state", template.state)):
        with (directory / name).open("rb") as file:
            if _copy(file.fileno(), target) != sums.get(name):
                raise ValueError(f"{directory}/{name} is not what was saved")
        seal(target)
    if os.fstat(template.memory).st_size != template.size:
        raise ValueError(f"{directory}/memory is not of the size it should have")


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)


def _copy(source: int, target: int) -> str:
    """Copy what is not a hole; returns the SHA-256 over size, places and bytes, in hexadecimal."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    digest = hashlib.sha256(str(size).encode())
    for start, end in _extents(source, size):
        digest.update(f"@{start}".encode())
        for offset in range(start, end, _PIECE):
            piece = os.pread(source, min(_PIECE, end - offset), offset)
            digest.update(piece)
            os.pwrite(target, piece, offset)
    return digest.hexdigest()


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where the file holds data, as (start, end)."""
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            return
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, position
