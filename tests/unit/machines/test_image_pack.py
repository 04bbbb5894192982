"""A root is packed to the same bytes whatever the time and order it was written in."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from sealock.machines.image import pack

SINCE = 1_790_000_000.0
IN_PACKAGE = 1_600_000_000
CONTENTS = {
    "etc/new": b"n",
    "usr/lib/__pycache__/m.cpython-311.pyc": b"\xa7\r\r\n" + b"\3" * 12 + b"code",
    "usr/lib/m.py": b"x = 1\n",
}


def tree(root: Path, when: float, names: list[str]) -> Path:
    """A root with a module from a package, a file of the build, and one compiled in the build."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENTS[name])
        os.utime(path, (when, when))
    os.utime(root / "usr/lib/m.py", (IN_PACKAGE, IN_PACKAGE))
    (root / "etc/link").symlink_to("new")
    (root / "dev").mkdir()
    (root / "dev/left").write_bytes(b"")
    return root


def test_a_root_is_packed_to_the_same_bytes(tmp_path: Path) -> None:
    for number, names in enumerate([sorted(CONTENTS), sorted(CONTENTS, reverse=True)]):
        root = tree(tmp_path / f"root{number}", SINCE + 10 + number, names)
        pack.pack(root, tmp_path / f"image{number}", SINCE)
    assert (tmp_path / "image0").read_bytes() == (tmp_path / "image1").read_bytes()
    assert list((tmp_path / "root0/dev").iterdir()) == []


def test_contents_make_other_bytes(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", SINCE + 10, sorted(CONTENTS))
    pack.pack(root, tmp_path / "image", SINCE)
    (root / "etc/new").write_bytes(b"m")
    pack.pack(root, tmp_path / "other", SINCE)
    assert (tmp_path / "image").read_bytes() != (tmp_path / "other").read_bytes()


def test_compiled_python_names_the_time_its_source_keeps(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", SINCE + 10, sorted(CONTENTS))
    pack.settle(root, SINCE)
    source = (root / "usr/lib/m.py").stat()
    compiled = (root / "usr/lib/__pycache__/m.cpython-311.pyc").read_bytes()
    assert source.st_mtime == IN_PACKAGE
    assert struct.unpack("<III", compiled[4:16]) == (0, IN_PACKAGE, source.st_size)
    assert compiled[16:] == b"code"
    assert (root / "etc/new").stat().st_mtime == pack.EPOCH
    assert (root / "etc/link").lstat().st_mtime == pack.EPOCH


def test_a_compiled_file_without_source_is_left_alone(tmp_path: Path) -> None:
    root = tree(tmp_path / "root", SINCE + 10, sorted(CONTENTS))
    (root / "usr/lib/m.py").unlink()
    pack.settle(root, SINCE)
    compiled = root / "usr/lib/__pycache__/m.cpython-311.pyc"
    assert compiled.read_bytes() == CONTENTS["usr/lib/__pycache__/m.cpython-311.pyc"]
