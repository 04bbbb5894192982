"""Pack a root directory into its erofs image, the same bytes every time.

A program of its own (`python -m sealock.machines.image.pack TREE OUT SINCE`), so that an ordinary
user can run it in the user namespace that owns the tree.

Files that came in packages keep their times; what was written during the build gets one fixed time.
Python's compiled files are made to name their source's time: while a fixed build time is set, Python
writes the form that reads and hashes each source at each start, which costs an emulated machine dear.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

EPOCH = 1735689600
"""The time of what has none of its own: the first second of 2025."""

# apt makes these when it needs them. Whose they are hangs on who could enter the build's directory.
_APT_PARTIAL = ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial", "var/lib/apt/lists/auxfiles")

_UUID = "7365616c-6f63-4b00-8000-000000000001"
_SUPERBLOCK = 1024
_MAGIC = 0xE0F5E1E2
_BY_TIME = 0


def pack(tree: Path, out: Path, since: float) -> None:
    """Make `out` of `tree`; times from `since` (seconds since 1970) on are of the build."""
    shutil.rmtree(tree / "dev")
    (tree / "dev").mkdir(mode=0o755)
    for directory in _APT_PARTIAL:
        shutil.rmtree(tree / directory, ignore_errors=True)
    settle(tree, since)
    fixed_time = _knows_mkfs_time()
    times = ["-T", str(EPOCH), "--mkfs-time"] if fixed_time else []
    subprocess.run(
        ["mkfs.erofs", "--quiet", "-U", _UUID, "-E", "nosbcrc", *times, str(out), str(tree)], check=True
    )
    if not fixed_time:
        _write_build_time(out)


def settle(tree: Path, since: float) -> None:
    """Give everything in `tree` a time that does not depend on when it was built."""
    for directory, names, files in os.walk(tree):
        for name in [*names, *files]:
            _settle_one(Path(directory, name), since)
    os.utime(tree, (EPOCH, EPOCH))


def _settle_one(path: Path, since: float) -> None:
    status = path.lstat()
    if path.suffix == ".pyc" and stat.S_ISREG(status.st_mode):
        _settle_compiled(path, since)
    when = _settled_time(status, since)
    os.utime(path, (when, when), follow_symlinks=False)


def _settled_time(status: os.stat_result, since: float) -> int:
    came_in_package = stat.S_ISREG(status.st_mode) and status.st_mtime < since
    return int(status.st_mtime) if came_in_package else EPOCH


def _settle_compiled(path: Path, since: float) -> None:
    """Write the source's time and length into a compiled file's header, behind its magic number."""
    source = path.parent.parent / (path.name.split(".", 1)[0] + ".py")
    if path.parent.name != "__pycache__" or source.is_symlink() or not source.is_file():
        return
    status = source.stat()
    with path.open("r+b") as file:
        magic = file.read(4)
        if len(magic) == 4:
            file.write(
                struct.pack("<III", _BY_TIME, _settled_time(status, since), status.st_size & 0xFFFFFFFF)
            )


def _knows_mkfs_time() -> bool:
    done = subprocess.run(["mkfs.erofs", "--help"], capture_output=True, text=True, check=False)
    return "--mkfs-time" in done.stdout + done.stderr


def _write_build_time(image: Path) -> None:
    """Before version 1.8 mkfs.erofs can only fix the time of all files at once, or of none."""
    with image.open("r+b") as file:
        file.seek(_SUPERBLOCK)
        magic, checksum, compatible = struct.unpack("<III", file.read(12))
        if magic != _MAGIC or checksum or compatible & 1:
            raise SystemExit("mkfs.erofs wrote a superblock of a form that is not known")
        file.seek(_SUPERBLOCK + 24)
        file.write(struct.pack("<QI", EPOCH, 0))


if __name__ == "__main__":
    os.umask(0o022)
    pack(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
