"""A log that was removed is gone: nothing below the data directory holds it or its key, in any spelling."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import owner_of
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.keeper.log_keys import SealedBuildLogs
from sealock.livelog.files import LogFiles
from tests.support.keys import Installation, files
from tests.support.leases import OwnKeys

pytestmark = pytest.mark.anyio

BUILD, OTHER = "ab" * 16, "cd" * 16
OWNER = owner_of("0" * 32)
OUTPUT = b"".join(b"canary line %d\n" % number for number in range(3000))
PIECE = 48


class Lab:
    """A data directory with two logs, and what there is to be found of the first."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.keys = Installation(data)
        self.files = LogFiles(data / "logs")
        self.keeper = OwnKeys(self.keys.sets)
        self.logs = SealedBuildLogs(self.files, self.keys.store, self.keeper)

    async def keep(self, build: str) -> None:
        log = await self.logs.begin(OWNER, build)
        log.write(OUTPUT)
        log.close()

    async def traces(self, build: str) -> list[bytes]:
        """Pieces of the sealed file, the sealed key and the key itself, in the spellings of any store."""
        sealed = self.keys.store.get(OWNER, Kind.LOG_KEY, build)
        assert isinstance(sealed, Sealed)
        with await self.logs.read(OWNER, build) as log:
            assert log.read(7, 1)[0].data == b"canary line 6"
        content = (self.data / "logs" / f"{build}.log").read_bytes()
        pieces = [content[start : start + PIECE] for start in range(0, len(content) - PIECE, PIECE)]
        key = self.keeper.opened[-1]
        return [
            *pieces,
            *(spelling for whole in (key, sealed.data) for spelling in (whole, whole.hex().encode())),
            *(b64encode(whole).rstrip(b"=") for whole in (key, sealed.data)),
        ]

    def holds(self, traces: list[bytes]) -> list[Path]:
        """The files that hold any of it."""
        return [path for path, content in files(self.data) if any(trace in content for trace in traces)]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    yield Lab(tmp_path / "data")


async def test_nothing_is_left_of_a_removed_log_but_who_and_when(lab: Lab) -> None:
    await lab.keep(BUILD)
    await lab.keep(OTHER)
    traces, others = await lab.traces(BUILD), await lab.traces(OTHER)
    assert {path.name for path in lab.holds(traces)} == {f"{BUILD}.log", "1.json"}
    lab.logs.remove(OWNER, BUILD, "ann")
    assert lab.holds(traces) == []
    assert {path.name for path in lab.holds(others)} == {f"{OTHER}.log", "1.json"}
    assert b"canary" not in b"".join(content for _, content in files(lab.data))
    with pytest.raises(UsageError, match="no log"):
        await lab.logs.read(OWNER, BUILD)
    gone = lab.logs.removal(BUILD)
    assert gone is not None
    assert gone.by == "ann"


@pytest.mark.parametrize(
    "barrier",
    ["sealock.livelog.files.remove_whole", "sealock.store.sealed.SealedFiles.destroy"],
)
async def test_this_search_finds_what_is_left(
    barrier: str, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lab.keep(BUILD)
    traces = await lab.traces(BUILD)
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - takes the place of one step of the removal
    monkeypatch.setattr(barrier, nothing)
    lab.logs.remove(OWNER, BUILD, "ann")
    assert len(lab.holds(traces)) == 1


async def test_a_copy_of_the_file_is_of_no_use_without_its_key(lab: Lab) -> None:
    """Somebody kept the sealed file, and puts it back once it was removed, with no note in its way."""
    await lab.keep(BUILD)
    path = lab.data / "logs" / f"{BUILD}.log"
    copy = path.read_bytes()
    lab.logs.remove(OWNER, BUILD, "ann")
    path.write_bytes(copy)
    path.with_suffix(".removed").unlink()
    with pytest.raises(UsageError, match="no log"):
        await lab.logs.read(OWNER, BUILD)
    with pytest.raises(UsageError):
        await lab.logs.begin(OWNER, BUILD)


async def test_a_log_that_still_grows_is_gone_with_its_writer(lab: Lab) -> None:
    log = await lab.logs.begin(OWNER, BUILD)
    log.write(OUTPUT)
    log.flush()
    traces = await lab.traces(BUILD)
    lab.logs.remove(OWNER, BUILD, "ann")
    log.write(OUTPUT)
    log.close()
    assert lab.holds(traces) == []
    assert [path for path, _ in files(lab.data / "logs")] == [lab.data / "logs" / f"{BUILD}.removed"]


async def test_who_loses_a_race_for_the_key_still_removes_the_log(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that won it may be killed before it comes to the log."""
    await lab.keep(BUILD)
    traces, destroy = await lab.traces(BUILD), lab.keys.store.destroy

    def after_another(name: SealedName) -> None:
        destroy(name)
        destroy(name)

    monkeypatch.setattr(lab.keys.store, "destroy", after_another)
    lab.logs.remove(OWNER, BUILD, "ann")
    assert lab.holds(traces) == []


async def test_a_key_that_cannot_be_destroyed_keeps_its_log(lab: Lab) -> None:
    await lab.keep(BUILD)
    lab.keys.store.pin(SealedName(OWNER.account, OWNER.project, Kind.LOG_KEY, BUILD, 1), True)
    with pytest.raises(PermanentError, match="cannot be destroyed"):
        lab.logs.remove(OWNER, BUILD, "ann")
    assert lab.files.has_begun(BUILD)
    assert lab.logs.removal(BUILD) is None


async def test_a_note_says_why_and_keeps_to_its_format(lab: Lab) -> None:
    await lab.keep(BUILD)
    lab.files.remove(BUILD, "sealock", "after 30 days\x1b[2J")
    gone = lab.files.removal(BUILD)
    assert gone is not None
    assert gone.why == "after 30 days\ufffd[2J"
    note = lab.data / "logs" / f"{BUILD}.removed"
    told = json.loads(note.read_bytes())
    for wrong in (told | {"format": 1}, told | {"why": 7}, told | {"why": "\x1b"}, told | {"more": 1}):
        note.write_bytes(json.dumps(wrong).encode())
        with pytest.raises(PermanentError, match="cannot be read"):
            lab.files.removal(BUILD)
