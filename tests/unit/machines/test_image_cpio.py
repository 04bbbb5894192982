"""The cpio writer: a stock cpio reads it back, and the same members give the same bytes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sealock.machines.image import cpio

MEMBERS = {
    "lib/b.ko": cpio.file(b"bb"),
    "init": cpio.file(b"#!/bin/sh\n", 0o755),
    "lib": cpio.directory(),
    "empty": cpio.file(b""),
}


def unpack(archive: bytes, directory: Path) -> None:
    command = ["cpio", "--extract", "--quiet", "--preserve-modification-time", "--directory", str(directory)]
    subprocess.run(command, input=archive, check=True)


def test_a_stock_cpio_reads_it(tmp_path: Path) -> None:
    unpack(cpio.archive(MEMBERS), tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")} == set(MEMBERS)
    assert (tmp_path / "init").read_bytes() == b"#!/bin/sh\n"
    assert os.access(tmp_path / "init", os.X_OK)
    assert (tmp_path / "lib/b.ko").read_bytes() == b"bb"
    assert (tmp_path / "lib/b.ko").stat().st_mtime == 0


def test_the_order_of_members_does_not_matter() -> None:
    turned = dict(reversed(MEMBERS.items()))
    assert cpio.archive(turned) == cpio.archive(MEMBERS)


def test_contents_and_modes_matter() -> None:
    assert cpio.archive({**MEMBERS, "init": cpio.file(b"x")}) != cpio.archive(MEMBERS)
    assert cpio.archive({**MEMBERS, "empty": cpio.file(b"", 0o600)}) != cpio.archive(MEMBERS)


def test_its_length_is_whole_blocks() -> None:
    assert len(cpio.archive(MEMBERS)) % 512 == 0
