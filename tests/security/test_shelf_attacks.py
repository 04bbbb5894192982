"""Who reads a log is let in by the keeper, by name; no log, however large or altered, harms who shows it."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.errors import PermanentError, UsageError
from sealock.core.grant import Role
from sealock.core.lease import KeeperAway, Refused
from sealock.core.log import LogWriter
from sealock.core.release import Basis, Released
from sealock.core.sealed import Kind, Owner, Sealed
from sealock.keeper.client import KeeperClient
from sealock.keeper.log_keys import SealedBuildLogs
from sealock.keeper.member import SealedMemberLogs, open_for_person
from sealock.keeper.peers import Peers
from sealock.livelog.files import LogFiles
from sealock.livelog.format import FILE_HEADER_LENGTH, TAG_LENGTH, ChunkHeader, Flags
from sealock.livelog.index import MOST_CHUNKS
from sealock.livelog.shelf import SealedShelf
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.sealed import SealedFiles
from tests.support.keeper import ACCOUNT, EVERYTHING, PROJECT, KeeperFixture, client, serving
from tests.support.leases import OwnKeys
from tests.support.shelf import ShelfFixture

pytestmark = pytest.mark.anyio

RUN, OTHER = "ab" * 16, "cd" * 16
OWNER = Owner(ACCOUNT, PROJECT)


class Lab:
    """A keeper that runs, and a shelf that asks it with the session key `key`."""

    def __init__(self, directory: Path) -> None:
        self.keeper = KeeperFixture(directory / "keeper")
        self.socket = directory / "keeper.sock"
        self.client: KeeperClient = client(self.socket, os.geteuid())
        self.key = self.keeper.authority
        self.files = LogFiles(directory / "logs")
        self.values = SealedFiles(directory / "sealed")
        self.logs = SealedMemberLogs(self.files, self.values, self.client, lambda: self.key)
        self.shelf = SealedShelf(self.logs, LocalWakeups())

    async def keep(self, run: str, owner: Owner = OWNER) -> None:
        log = await SealedBuildLogs(self.files, self.values, OwnKeys(self.keeper.sets)).begin(owner, run)
        log.write(b"hello\n")
        log.close()

    async def read(self, person: str, run: str = RUN, account: str = ACCOUNT, project: str = PROJECT) -> str:
        async with self.shelf.open(account, project, run, person=person) as opened:
            return (await opened.page(1)).lines[0].html

    def sealed(self, run: str = RUN) -> Sealed:
        found = self.values.get(OWNER, Kind.LOG_KEY, run)
        assert found is not None
        return found

    def releases(self) -> list[Released]:
        return [entry.fact for entry in self.keeper.ledger.entries() if isinstance(entry.fact, Released)]


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path)
    peers = Peers({os.geteuid(): EVERYTHING})
    async with serving(lab.keeper, lab.socket, peers), lab.shelf:
        yield lab
    lab.keeper.stop()


async def test_the_ledger_says_who_read_which_log(lab: Lab) -> None:
    await lab.keep(RUN)
    await lab.keep(OTHER)
    for person, run in (("ann-1", RUN), ("bob-2", RUN), ("ann-1", RUN), ("ann-1", OTHER)):
        assert await lab.read(person, run) == "hello"
    told = [(each.to, each.name, each.basis, each.account, each.kind) for each in lab.releases()]
    assert told == [
        ("ann-1", RUN, Basis.MEMBER, ACCOUNT, "log-key"),
        ("bob-2", RUN, Basis.MEMBER, ACCOUNT, "log-key"),
        ("ann-1", OTHER, Basis.MEMBER, ACCOUNT, "log-key"),
    ]
    assert len({each.reason for each in lab.releases()}) == 3, "each a session of its own"


async def test_the_keeper_lets_no_member_of_another_account_in(lab: Lab) -> None:
    """Whatever the website takes somebody for: the session says whose member it is, and that decides."""
    await lab.keep(RUN)
    for account, role in (("others", Role.MEMBER), ("", Role.OPERATOR), (ACCOUNT, Role.BILLING)):
        with pytest.raises(Refused):
            await open_for_person(
                lab.client, lab.sealed(), lambda: lab.key, person="eve", account=account, role=role
            )
    assert lab.releases() == []


async def test_nothing_is_opened_with_a_session_that_somebody_else_signed(lab: Lab) -> None:
    await lab.keep(RUN)
    lab.key = Ed25519PrivateKey.generate()
    with pytest.raises(Refused):
        await lab.read("eve")
    assert lab.releases() == []
    assert len(lab.shelf.readers) == 0


async def test_no_member_reads_in_the_owners_name(lab: Lab) -> None:
    await lab.keep(RUN)
    for person in ("owner", ""):
        with pytest.raises(ValueError, match="somebody"):
            await lab.read(person)


async def test_the_key_of_one_log_put_in_anothers_place_does_not_open_it(lab: Lab) -> None:
    await lab.keep(RUN)
    await lab.keep(OTHER)
    for where in lab.values._directory.rglob("log-key"):
        mine, theirs = where / RUN / "1.json", where / OTHER / "1.json"
        mine.write_text(theirs.read_text().replace(OTHER, RUN))
    with pytest.raises((PermanentError, KeeperAway)):
        await lab.read("ann-1")


async def test_a_log_put_in_anothers_place_is_refused(lab: Lab) -> None:
    await lab.keep(RUN)
    await lab.keep(OTHER)
    lab.files.place(RUN).write_bytes(lab.files.place(OTHER).read_bytes())
    with pytest.raises(PermanentError, match="not what was kept"):
        await lab.read("ann-1")


async def test_nobody_removes_anothers_log(lab: Lab) -> None:
    """Not even who has a project with a log of the same id, as far as that can be made."""
    await lab.keep(RUN)
    theirs = Owner("others", "printer")
    await SealedBuildLogs(LogFiles(lab.files.directory / "x"), lab.values, OwnKeys(lab.keeper.sets)).begin(
        theirs, OTHER
    )
    for account, project in (("others", "printer"), (ACCOUNT, "printer"), ("others", PROJECT)):
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.remove(account, project, RUN, person="eve")
    assert await lab.read("ann-1") == "hello"


async def test_with_the_keeper_away_nothing_is_shown_and_nothing_is_left_open(lab: Lab) -> None:
    await lab.keep(RUN)
    lab.logs._keeper = client(lab.socket.with_name("none"), os.geteuid())
    with pytest.raises(KeeperAway):
        await lab.read("ann-1")
    assert len(lab.shelf.readers) == 0


async def test_after_every_session_was_ended_one_is_made_for_the_new_epoch(lab: Lab) -> None:
    await lab.keep(RUN)
    await lab.client.end_all()
    assert await lab.read("ann-1") == "hello"


def sealed_chunks(log: LogWriter, path: Path, count: int) -> list[bytes]:
    """The chunks of a log, each with its header."""
    for number in range(count):
        log.write(b"line %d\n" % number)
        log.flush()
    log.close()
    content, chunks, start = path.read_bytes(), [], FILE_HEADER_LENGTH
    while start < len(content):
        end = start + ChunkHeader.LENGTH
        end += ChunkHeader.decode(content[start:end]).length
        chunks.append(content[start:end])
        start = end
    return chunks


async def test_frames_that_are_spliced_repeated_or_left_out_are_refused(tmp_path: Path) -> None:
    lab = ShelfFixture(tmp_path)
    chunks = sealed_chunks(lab.begin(RUN), lab.files.place(RUN), 6)
    foreign = sealed_chunks(lab.begin(OTHER), lab.files.place(OTHER), 6)
    header = lab.files.place(RUN).read_bytes()[:FILE_HEADER_LENGTH]
    spliced = [
        [*chunks[:2], *chunks[3:]],
        [chunks[1], chunks[0], *chunks[2:]],
        [*chunks[:3], chunks[2], *chunks[3:]],
        [*chunks[:3], foreign[3], *chunks[4:]],
        [*chunks, chunks[-1]],
        [*chunks[:3], chunks[-1]],
        [chunks[-1]],
        [*chunks[:3], chunks[3][: ChunkHeader.LENGTH] + chunks[4][ChunkHeader.LENGTH :], *chunks[4:]],
        [*chunks[:3], _with_flags(chunks[3], Flags.FINAL)],
    ]
    for wrong in spliced:
        lab.files.place(RUN).write_bytes(header + b"".join(wrong))
        with pytest.raises(PermanentError, match="not what was kept"):
            async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
                await opened.search("no such text")
        lab.shelf.readers.close()


def _with_flags(chunk: bytes, flags: Flags) -> bytes:
    return chunk[: ChunkHeader.LENGTH - 1] + bytes([flags]) + chunk[ChunkHeader.LENGTH :]


@pytest.mark.slow
async def test_a_log_of_ever_so_many_chunks_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    """A worker makes what it likes: of the smallest chunks ten million are less than a gigabyte."""
    lab = ShelfFixture(tmp_path)
    lab.begin(RUN).close()
    header = lab.files.place(RUN).read_bytes()[:FILE_HEADER_LENGTH]
    smallest = [
        ChunkHeader(4 + TAG_LENGTH, number, 1, 0, 0, Flags(0)).encode() + b"x" * (4 + TAG_LENGTH)
        for number in range(MOST_CHUNKS + 1)
    ]
    lab.files.place(RUN).write_bytes(header + b"".join(smallest))
    with pytest.raises(PermanentError, match="more than"):
        await lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann").__aenter__()


@pytest.mark.slow
async def test_a_log_of_500_megabytes_is_shown_in_little_memory(tmp_path: Path) -> None:
    lab = ShelfFixture(tmp_path)
    log = lab.begin(RUN)
    block = b"".join(b"%07d compiling some/file/number_%d.c with -O2 -Wall\n" % (n, n) for n in range(9000))
    for _ in range((500 << 20) // len(block) + 1):
        log.write(block)
    log.write(b"the needle\n")
    log.close()
    tracemalloc.start()
    try:
        async with lab.shelf, lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
            outline = await opened.outline()
            assert outline.complete
            last = await opened.page(-(-outline.total_lines // 500))
            assert last.lines[-1].html == "the needle"
            assert (await opened.page(last.pages // 2)).final
            (hit,) = (await opened.search("THE needle")).hits
            assert hit.line == outline.total_lines
            assert (await opened.search("compiling")).more
            await anext(opened.raw())
            await anext(opened.follow(str(outline.total_lines - 100)))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
