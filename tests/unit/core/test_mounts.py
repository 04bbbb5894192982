"""A path lies on the file system mounted deepest above it, and of two at one place on the later."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.mounts import filesystem_of, is_on_tmpfs

MOUNTS = """\
20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
21 20 0:20 / /run rw,nosuid shared:2 - tmpfs tmpfs rw
22 21 8:2 / /run/media rw - xfs /dev/sdb1 rw
23 20 8:3 / /mnt/with\\040blank rw - btrfs /dev/sdc1 rw
24 20 8:4 / /over rw - ext4 /dev/sdd1 rw
25 20 0:30 / /over rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "ext4"),
        ("/run/sealock", "tmpfs"),
        ("/run/media/x", "xfs"),
        ("/run/mediaother", "tmpfs"),
        ("/mnt/with blank/x", "btrfs"),
        ("/over/x", "tmpfs"),
    ],
)
def test_the_deepest_mount_counts(path: str, kind: str) -> None:
    assert filesystem_of(Path(path), MOUNTS) == kind


def test_this_host_has_an_answer() -> None:
    assert filesystem_of(Path("/proc/self")) == "proc"
    assert not is_on_tmpfs(Path("/proc"))
