"""The release ledger: on the disk before anything follows, and nothing in it can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.errors import PermanentError
from sealock.core.release import (
    Basis,
    Entry,
    Fact,
    GrantRevoked,
    KeysBackedUp,
    KeysDestroyed,
    KeysRestored,
    LeaseEnded,
    LeaseIssued,
    PassphraseChanged,
    Released,
    RotationBegun,
    RotationEnded,
)
from sealock.ledger import facts
from sealock.ledger.releases import FILE_NAME, ReleaseLedger, ReleaseReader, read_entries

KEY = "ab" * 32
ISSUED = LeaseIssued("1" * 32, "b1", 1, "team", "parser", "sha256:0", "worker", KEY, 3, 200.0, "queue")
ENDED = LeaseEnded("b1", 1, "worker")
REVOKED = GrantRevoked("g1", "web")


def released(name: str = "TOKEN", build: str = "b1") -> Released:
    return Released(
        "team",
        "parser",
        "variable",
        name,
        2,
        Basis.LEASE,
        "1" * 32,
        build,
        1,
        "unit",
        "worker",
        "worker",
        KEY,
    )


ABOUT_KEYS: tuple[Fact, ...] = (
    KeysDestroyed("team", "", "admin"),
    RotationBegun("sets", 3, "admin"),
    RotationEnded("root", 4, 3, 1, "admin"),
    KeysBackedUp(0, 64, "admin"),
    KeysRestored(1, 2, "admin"),
    PassphraseChanged("admin"),
)
FACTS: tuple[Fact, ...] = (ISSUED, released(), ENDED, REVOKED, *ABOUT_KEYS)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def filled(directory: Path) -> list[Entry]:
    with ReleaseLedger(directory) as ledger:
        return [ledger.append([fact], 100.0 + at)[0] for at, fact in enumerate(FACTS)]


def test_what_was_written_is_read_again(directory: Path) -> None:
    written = filled(directory)
    with ReleaseLedger(directory) as ledger:
        assert list(ledger.entries()) == written
        assert ledger.last == written[-1]
        assert ledger.append([ENDED], 200.0)[0].sequence == len(FACTS) + 1


def test_several_are_written_together_or_not_at_all(directory: Path) -> None:
    with ReleaseLedger(directory) as ledger:
        assert [entry.sequence for entry in ledger.append(FACTS, 1.0)] == list(range(1, len(FACTS) + 1))
        with pytest.raises(PermanentError):
            ledger.append([ENDED, LeaseEnded("b", 1, "a\nb")], 2.0)
        assert ledger.append([], 2.0) == []
        assert ledger.append([ENDED], 3.0)[0].sequence == len(FACTS) + 1
        assert len(list(ledger.entries())) == len(FACTS) + 1


def test_nobody_else_reads_it(directory: Path) -> None:
    filled(directory)
    assert (directory / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_time_never_goes_back(directory: Path) -> None:
    with ReleaseLedger(directory) as ledger:
        ledger.append([ISSUED], 100.0)
        assert ledger.append([ENDED], 50.0)[0].at == 100.0


def test_two_keepers_do_not_write_one_ledger(directory: Path) -> None:
    with ReleaseLedger(directory), pytest.raises(PermanentError, match="cannot be used") as refused:
        ReleaseLedger(directory)
    assert "another keeper" in refused.value.details


def test_a_line_that_was_never_finished_is_cut_off(directory: Path) -> None:
    written = filled(directory)
    path = directory / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole + facts.write(facts.chain(ENDED, 300.0, written[-1]))[:-20])
    assert list(read_entries(path)) == written
    with ReleaseLedger(directory) as ledger:
        assert ledger.last == written[-1]
    assert path.read_bytes() == whole


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_byte_can_be_changed_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    directory = tmp_path_factory.mktemp("ledger") / "l"
    filled(directory)
    path = directory / FILE_NAME
    content = bytearray(path.read_bytes())
    # The last byte is the last line's end: without it that line counts as never finished.
    position = data.draw(st.integers(0, len(content) - 2))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(PermanentError, match="not as it was written"):
        list(read_entries(path))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_no_line_can_be_left_out(directory: Path, missing: int) -> None:
    filled(directory)
    path = directory / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[missing]
    path.write_bytes(b"".join(lines))
    with pytest.raises(PermanentError):
        ReleaseLedger(directory)


def test_lines_cannot_change_places_nor_be_respelled(directory: Path) -> None:
    filled(directory)
    path = directory / FILE_NAME
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    respelled = json.dumps(json.loads(first)).encode() + b"\n"
    for lines in ([second, first, *rest], [respelled, second, *rest], [first, first, second, *rest]):
        path.write_bytes(b"".join(lines))
        with pytest.raises(PermanentError):
            list(read_entries(path))


def test_rewriting_one_entry_breaks_all_that_follow(directory: Path) -> None:
    written = filled(directory)
    path = directory / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    forged = facts.chain(released("OTHER"), written[1].at, written[0])
    lines[1] = facts.write(forged)
    path.write_bytes(b"".join(lines))
    with pytest.raises(PermanentError) as refused:
        list(read_entries(path))
    assert "entry 3" in refused.value.details


def test_nor_can_the_entry_behind_it_be_made_to_follow_it(directory: Path) -> None:
    """Its digest, and with it that of the last, which the keeper notes elsewhere, is over the one before."""
    written = filled(directory)
    path = directory / FILE_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    forged = facts.chain(released("OTHER"), written[1].at, written[0])
    lines[1] = facts.write(forged)
    lines[2] = lines[2].replace(written[1].digest.encode(), forged.digest.encode())
    path.write_bytes(b"".join(lines))
    with pytest.raises(PermanentError) as refused:
        list(read_entries(path))
    assert "entry 3" in refused.value.details


@pytest.mark.parametrize("changes", [{"sequence": len(FACTS) + 2}, {"sequence": 1}, {"at": 1.0}])
def test_what_was_added_out_of_its_place_is_refused_though_its_digest_fits(
    directory: Path, changes: dict[str, Any]
) -> None:
    last = filled(directory)[-1]
    moved = replace(facts.chain(ENDED, 300.0, last), **changes)
    body = {**json.loads(facts.write(facts.chain(ENDED, 300.0, last))), **changes}
    del body["digest"]
    told = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    fitting = replace(moved, digest=hashlib.sha256(facts.DOMAIN + told).hexdigest())
    with (directory / FILE_NAME).open("ab") as file:
        file.write(facts.write(fitting))
    with pytest.raises(PermanentError) as refused:
        ReleaseLedger(directory)
    assert f"entry {len(FACTS) + 1}" in refused.value.details


def test_a_new_ledger_has_its_name_on_the_disk_before_anything_is_added(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr("sealock.ledger.releases.flush_directory", flushed.append)
    with ReleaseLedger(directory):
        assert flushed == [directory]


def test_a_full_disk_refuses_and_leaves_no_half_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = filled(directory)
    real = os.write

    def half_then_full(descriptor: int, data: memoryview) -> int:
        if len(data) < 100:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[:-50])

    with ReleaseLedger(directory) as ledger:
        monkeypatch.setattr("sealock.ledger.releases.os.write", half_then_full)
        with pytest.raises(PermanentError, match="nothing is released") as refused:
            ledger.append([ENDED], 200.0)
        assert "No space" in refused.value.details
        monkeypatch.undo()
        # Room was made: the next entry follows the last whole one.
        assert ledger.append([ENDED], 201.0)[0].sequence == len(written) + 1
    assert len(list(read_entries(directory / FILE_NAME))) == len(written) + 1


def test_after_a_failed_flush_nothing_is_taken_until_it_was_read_anew(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with ReleaseLedger(directory) as ledger:
        monkeypatch.setattr("sealock.ledger.releases.os.fdatasync", fails)
        with pytest.raises(PermanentError):
            ledger.append([ENDED], 200.0)
        monkeypatch.undo()
        with pytest.raises(PermanentError, match="nothing is released"):
            ledger.append([ENDED], 201.0)
    with ReleaseLedger(directory) as ledger:
        ledger.append([ENDED], 202.0)


def test_it_is_on_the_disk_before_append_returns(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = os.fdatasync

    def flush(descriptor: int) -> None:
        real(descriptor)
        order.append("flushed")

    monkeypatch.setattr("sealock.ledger.releases.os.fdatasync", flush)
    with ReleaseLedger(directory) as ledger:
        ledger.append([ENDED], 1.0)
        order.append("returned")
    assert order == ["flushed", "returned"]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "x" * 2000])
def test_what_could_not_be_read_again_is_not_written(directory: Path, text: str) -> None:
    with ReleaseLedger(directory) as ledger:
        with pytest.raises(PermanentError):
            ledger.append([LeaseEnded("b", 1, text)], 1.0)
        assert (directory / FILE_NAME).read_bytes() == b""
        ledger.append([ENDED], 1.0)


def test_a_link_or_a_file_of_somebody_else_is_not_used(directory: Path, tmp_path: Path) -> None:
    filled(directory)
    path = directory / FILE_NAME
    path.chmod(0o666)
    with pytest.raises(PermanentError):
        ReleaseLedger(directory)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermanentError):
        ReleaseLedger(directory)


@pytest.mark.anyio
async def test_exposures_are_what_one_build_was_given(directory: Path) -> None:
    reader = ReleaseReader(directory)
    assert await reader.exposures("b1") == []
    with ReleaseLedger(directory) as ledger:
        ledger.append([ISSUED], 1.0)
        wanted = [ledger.append([released(name)], 2.0)[0] for name in ("A", "B")]
        ledger.append([released("C", build="b2")], 3.0)
        assert await reader.exposures("b1") == wanted
        assert await reader.exposures("b3") == []
