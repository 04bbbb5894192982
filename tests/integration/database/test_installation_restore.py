"""Backups that were altered, and restores that are killed: nothing is half done."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError, UsageError
from tests.support.backups import PARTS, Empty, Full, content, quiet

pytestmark = pytest.mark.anyio


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], *, listed: bool = True) -> Path:
    """A copy of the backup with other members. listed: with their digests in its last member."""
    with tarfile.open(path) as archive:
        members = {each.name: archive.extractfile(each).read() for each in archive.getmembers()}  # type: ignore[union-attr]
    end = members.pop("end.json")
    change(members)
    if listed:
        told = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != "head.json"
        }
        end = json.dumps({"members": told}).encode()
    copy = path.with_name("changed")
    with tarfile.open(copy, "w") as archive:
        for name, data in {**members, "end.json": end}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return copy


def _rename(members: dict[str, bytes], name: str) -> None:
    members[name] = members.pop(next(each for each in members if each.startswith("logs/")))


@pytest.mark.parametrize(
    "name",
    [
        "../escaped",
        "/tmp/escaped",
        "logs/../../escaped",
        "logs/.hidden",
        "keys/key-encryption-key",
        "logs",
        "logs/a\nb",
        "owner-key",
        "logs/" + "a/" * 9 + "a",
        "logs//a",
    ],
)
async def test_a_name_that_is_not_ours_is_refused(its_backup: Path, empty: Empty, name: str) -> None:
    changed = rewritten(its_backup, lambda members: _rename(members, name))
    with pytest.raises(PermanentError, match="is damaged"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
async def test_what_is_no_plain_file_is_refused(its_backup: Path, empty: Empty, kind: bytes) -> None:
    with tarfile.open(its_backup) as archive:
        head = archive.extractfile("head.json")
        assert head is not None
        data = head.read()
    changed = its_backup.with_name("changed")
    with tarfile.open(changed, "w") as archive:
        info = tarfile.TarInfo("head.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("logs/link")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(PermanentError, match="no plain file"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()


async def test_a_changed_byte_anywhere_is_found(its_backup: Path, tmp_path: Path) -> None:
    """Not in what nobody reads: the padding of a header."""
    data, place = its_backup.read_bytes(), Empty(tmp_path / "other", f"sqlite:///{tmp_path}/other.db")
    with tarfile.open(its_backup) as archive:
        spans = [(each.offset_data, each.size) for each in archive.getmembers()]
    for start, size in spans:
        for at in {start, start + size // 2, start + size - 1}:
            changed = bytearray(data)
            changed[at] ^= 0x01
            its_backup.with_name("changed").write_bytes(changed)
            with pytest.raises(SealockError):
                await asyncio.to_thread(place.backups.restore, its_backup.with_name("changed"), quiet)
            assert not any((place.data / part).exists() for part in (*PARTS, ".restoring"))
            assert not (tmp_path / "other.db").exists()


async def test_one_that_is_cut_off_or_gone_on_with_is_refused(its_backup: Path, tmp_path: Path) -> None:
    data, place = its_backup.read_bytes(), Empty(tmp_path / "other", f"sqlite:///{tmp_path}/other.db")
    changes = [data[: len(data) * part // 7] for part in range(7)] + [data + b"x", data + data]
    for changed in changes:
        its_backup.with_name("changed").write_bytes(changed)
        with pytest.raises(SealockError):
            await asyncio.to_thread(place.backups.restore, its_backup.with_name("changed"), quiet)
        assert not any((place.data / part).exists() for part in (*PARTS, ".restoring"))
    for missing in ("sealed/", "database.gz"):
        changed_file = rewritten(its_backup, partial(_drop, missing), listed=False)
        with pytest.raises(PermanentError, match="missing"):
            await asyncio.to_thread(place.backups.restore, changed_file, quiet)


def _drop(start: str, members: dict[str, bytes]) -> None:
    del members[next(each for each in members if each.startswith(start))]


async def test_what_is_no_backup_is_told(its_backup: Path, empty: Empty, tmp_path: Path) -> None:
    for name, data in {"empty": b"", "text": b"hello" * 1000, "rows": gzip.compress(b"{}")}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match="no backup of an installation"):
            await asyncio.to_thread(empty.backups.restore, tmp_path / name, quiet)
    newer = rewritten(
        its_backup,
        lambda members: members.update(
            {"head.json": json.dumps({"format": "sealock installation", "version": 2}).encode()}
        ),
    )
    with pytest.raises(UsageError, match="another version of Sealock"):
        await asyncio.to_thread(empty.backups.restore, newer, quiet)
    with pytest.raises(UsageError, match="there is no file"):
        await asyncio.to_thread(empty.backups.restore, tmp_path / "nowhere", quiet)
    assert await empty.is_untouched()


async def test_a_database_that_does_not_fit_undoes_all(its_backup: Path, empty: Empty) -> None:
    """The parts have their places by then."""

    def spoil(members: dict[str, bytes]) -> None:
        lines = gzip.decompress(members["database.gz"]).splitlines(keepends=True)
        members["database.gz"] = gzip.compress(b"".join(lines[:-1]))

    changed = rewritten(its_backup, spoil)
    with pytest.raises(PermanentError, match="is damaged"):
        await asyncio.to_thread(empty.backups.restore, changed, quiet)
    assert await empty.is_untouched()
    await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) != {}


KILLED = """
import os, signal, sys
from contextlib import nullcontext
from pathlib import Path
from sealock.store import restore as restoring
from sealock.store.backups import InstallationBackups

data, url, file, where, count = sys.argv[1:6]
count = int(count)
real = getattr(restoring._Target if where[0] != "/" else Path, where.strip("/"))

def killed(self, *arguments):
    global count
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *arguments)

setattr(restoring._Target if where[0] != "/" else Path, where.strip("/"), killed)
InstallationBackups(Path(data), url, has_database=True, alone=nullcontext).restore(Path(file), lambda _: None)
"""


@pytest.mark.parametrize(
    ("where", "count"), [("placed", 1), ("/rename", 1), ("/rename", 2), ("/rename", 3), ("fill_database", 1)]
)
async def test_one_that_is_killed_is_asked_for_again(
    one: Full, its_backup: Path, empty: Empty, where: str, count: int
) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), where, str(count)]
    done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    assert (empty.data / ".restoring").exists()
    await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) == content(one.data)
    assert not (empty.data / ".restoring").exists()


async def test_one_that_was_killed_after_the_database_was_filled_is_done(
    one: Full, its_backup: Path, empty: Empty
) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), "clear", "2"]
    done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()
    with pytest.raises(UsageError, match="there is something in"):
        await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert content(empty.data) == content(one.data)
    assert not (empty.data / ".restoring").exists()


async def test_what_was_changed_since_is_not_taken_back(one: Full, its_backup: Path, empty: Empty) -> None:
    asked = [sys.executable, "-c", KILLED, str(empty.data), empty.url, str(its_backup), "fill_database", "1"]
    await asyncio.to_thread(subprocess.run, asked, capture_output=True, check=False)
    (empty.data / "sealed" / "new").write_bytes(b"somebody went on")
    with pytest.raises(PermanentError, match="was changed since"):
        await asyncio.to_thread(empty.backups.restore, its_backup, quiet)
    assert (empty.data / "sealed" / "new").exists()
