"""Which kind of file system a path lies on: what must never reach a disk lies on tmpfs."""

from __future__ import annotations

from pathlib import Path

_MEMORY = frozenset({"tmpfs", "ramfs"})


def filesystem_of(path: Path, mounts: str | None = None) -> str:
    """The type of the file system `path` lies on, or would lie on once it is made (`tmpfs`, `ext4`, …).

    mounts: the text of /proc/self/mountinfo, read there by default.
    """
    text = Path("/proc/self/mountinfo").read_text() if mounts is None else mounts
    target = path.resolve()
    kind, depth = "", -1
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(_unescape(before.split()[4]))
        if target.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = after.split()[0], len(point.parts)
    return kind


def is_on_tmpfs(path: Path) -> bool:
    """Whether what is written there stays in memory."""
    return filesystem_of(path) in _MEMORY


def _unescape(field: str) -> str:
    """The kernel writes blanks in paths as octal escapes."""
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
