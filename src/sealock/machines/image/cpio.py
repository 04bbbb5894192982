"""A cpio archive (the `newc` form the kernel unpacks as its first root), the same bytes every time.

Owners are root, times are zero and inode numbers count up, so that only names, modes and contents
decide what comes out.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass

_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Member:
    """A file, directory or device. mode: type and permission bits. device: major and minor."""

    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(mode: int = 0o755) -> Member:
    """A directory."""
    return Member(stat.S_IFDIR | mode)


def file(content: bytes, mode: int = 0o644) -> Member:
    """A regular file."""
    return Member(stat.S_IFREG | mode, content)


def character_device(major: int, minor: int, mode: int = 0o600) -> Member:
    """A character device."""
    return Member(stat.S_IFCHR | mode, device=(major, minor))


def archive(members: Mapping[str, Member]) -> bytes:
    """The archive of these paths, in order of their names, so that a directory stands before what it
    holds. Paths are relative, such as `bin/busybox`. Its length is a multiple of 512 bytes."""
    parts = [_record(inode, name, members[name]) for inode, name in enumerate(sorted(members), start=1)]
    parts.append(_record(0, _TRAILER, Member(0)))
    joined = b"".join(parts)
    return joined + bytes(-len(joined) % 512)


def _record(inode: int, name: str, member: Member) -> bytes:
    encoded = name.encode("utf-8") + b"\0"
    links = 2 if stat.S_ISDIR(member.mode) else 1
    numbers = (
        inode,
        member.mode,
        0,  # owner
        0,  # group
        links,
        0,  # time
        len(member.content),
        0,  # the device it lies on, major and minor
        0,
        *member.device,
        len(encoded),
        0,  # checksum: not used by this form
    )
    header = b"070701" + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + encoded) + _padded(member.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
