"""Files that must be whole after a crash, and files that must be nobody else's.

Keys, projects and receipts are kept in rooms that do not know each other; what they have in common is
how such a file comes to be. A new file is written beside its place under another name, flushed, and
only then given its name, so that no reader ever meets half of one. A secret file is refused rather
than used when somebody else could have read or changed it.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from sealock.core.errors import PermanentError

_ALSO_OURS: set[int] = set()


def trust(user: int) -> None:
    """While we are root: what this user has is ours too, and what we write in a directory of theirs becomes
    theirs. For the part of an installation that runs as a user of its own, and root beside it."""
    _ALSO_OURS.add(user)


def give_with(descriptor: int, directory: Path) -> None:
    """Have a file that is open belong to whose directory it is in, if that is a user we trust so."""
    if os.geteuid() == 0 and os.fstat(descriptor).st_nlink == 1:
        _give(descriptor, directory.stat())


def _give(descriptor: int, directory: os.stat_result) -> None:
    if os.geteuid() == 0 and directory.st_uid in _ALSO_OURS:
        os.fchown(descriptor, directory.st_uid, directory.st_gid)


def make_private_directory(path: Path) -> None:
    """Make a directory of mode 0700 if it is not there. Parents that are not are made, too, for everybody to
    pass through and nobody else to change, whatever the umask.

    PermanentError if it cannot be made, or somebody else but root may change what lies in it.
    """
    try:
        for parent in reversed(path.parents):
            if not parent.exists():
                parent.mkdir(mode=0o755, exist_ok=True)
        _make_ours(path)
    except OSError as error:
        raise PermanentError(
            f"cannot make the directory {path}",
            details=str(error),
            resolution="Make it yourself, owned by the user Sealock runs as, with mode 0700.",
        ) from error
    _refuse_shared_directory(path)


def _make_ours(path: Path) -> None:
    """Make it unless it is there; from the directory around it on, no link is followed meanwhile."""
    around = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.mkdir(path.name, 0o700, dir_fd=around)
        made = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=around)
        try:
            _give(made, os.fstat(around))
        finally:
            os.close(made)
    except FileExistsError:
        if not path.is_dir():
            raise
    finally:
        os.close(around)


def create_secret_file(path: Path, value: bytes) -> bool:
    """Keep `value` in a new file of mode 0400 in a private directory; False if the file is there already.

    Two processes may try at once: one of them creates it, both see it whole. PermanentError if it cannot
    be kept there.
    """
    make_private_directory(path.parent)
    try:
        return _link_new(path, value)
    except OSError as error:
        raise PermanentError(
            f"cannot make the secret file {path}",
            details=str(error),
            resolution="Make room or give us the right to write there, or put the file there yourself.",
        ) from error


def read_secret_file(path: Path, *, longest: int) -> bytes:
    """The bytes of a secret file, at most `longest` of them.

    FileNotFoundError if there is none. PermanentError if it is a link, no regular file, not owned by
    us, readable or writable by anybody else, or longer than that.
    """
    _refuse_shared_directory(path.parent)
    try:
        # Non-blocking, so that a pipe put in its place cannot hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _refused(path, f"it is a link or cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        _refuse_unless_ours_alone(path, os.fstat(descriptor), longest)
        return file.read(longest + 1)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put `data` in the place of whatever `path` held: all of it or, after a crash, nothing. May raise
    OSError, and then leaves the old file as it was."""
    beside = _write_beside(path, data, mode)
    try:
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    flush_directory(path.parent)


def remove_whole(path: Path) -> None:
    """Remove a file for good. FileNotFoundError if there is none."""
    path.unlink()
    flush_directory(path.parent)


def move_over(path: Path, place: Path) -> None:
    """Give the file `path` the name `place`, in the place of what had it: in one step, and for good.
    PermanentError if that cannot be done."""
    try:
        path.replace(place)
        flush_directory(place.parent)
    except OSError as error:
        raise PermanentError(f"cannot give {path} the name {place}", details=str(error)) from error


def _link_new(path: Path, value: bytes) -> bool:
    beside = _write_beside(path, value, 0o400)
    try:
        # A link, unlike a rename, never takes the place of a file that is already there.
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)
    flush_directory(path.parent)
    return True


def _write_beside(path: Path, data: bytes, mode: int) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, mode)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[file.write(remaining) :]
            give_with(descriptor, path.parent)
            os.fsync(descriptor)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    return beside


def flush_directory(path: Path) -> None:
    """A new name survives a power cut only once its directory is on the disk too."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ours() -> set[int]:
    return {os.geteuid()} | (_ALSO_OURS if os.geteuid() == 0 else set())


def _refuse_shared_directory(path: Path) -> None:
    """Who may write to the directory may exchange what lies in it. Root may anyway."""
    found = path.stat()
    if found.st_uid not in _ours() | {0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermanentError(
            f"{path} can be changed by somebody else",
            details=f"owner {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}",
            resolution=f"Make it ours alone: chown {os.geteuid()} {path} && chmod 0700 {path}",
        )


def _refuse_unless_ours_alone(path: Path, found: os.stat_result, longest: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is not a regular file")
    if found.st_uid not in _ours():
        raise _refused(path, f"it belongs to user {found.st_uid}, not to {os.geteuid()}")
    if found.st_mode & 0o077:
        raise _refused(path, f"others may read or change it: mode {stat.S_IMODE(found.st_mode):04o}")
    if found.st_size > longest:
        raise _refused(path, f"it holds {found.st_size} bytes, at most {longest} belong there")


def _refused(path: Path, why: str) -> PermanentError:
    return PermanentError(
        f"the secret file {path} is not safe to use",
        details=why,
        resolution="If nobody else can have seen it, make it a regular file of the user Sealock runs as "
        "with mode 0400; otherwise replace it and every key that was kept under it.",
    )
