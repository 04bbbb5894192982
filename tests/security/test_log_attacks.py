"""What somebody can do who has the files of sealed logs, but not their keys: remove them, no more.

Every byte is changed, chunks are moved, exchanged, repeated, left out, cut off and taken from other logs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.format import FILE_HEADER_LENGTH, ChunkHeader, FileHeader, Flags, encode_body
from sealock.livelog.mask import StreamMasker
from sealock.livelog.seal import ChunkCipher

BUILD, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2
KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
LINES = [b"canary-line-%d-5d41402abc4b2a76" % number for number in range(1, 7)]


@dataclass
class Kept:
    """A log of six lines in three chunks and an end, and its file in parts."""

    logs: LogFiles
    path: Path
    head: bytes
    chunks: list[bytes]

    def put(self, *parts: bytes) -> None:
        self.path.write_bytes(b"".join(parts))

    def read(self, key: bytes = KEY) -> tuple[list[bytes], bool]:
        """What a reader makes of it, and whether it says that this is everything."""
        with self.logs.open(BUILD, Secret(key)) as reader:
            marks = [mark.text.encode() for mark in reader.marks()]
            assert [found.line for found in reader.search("canary")] == list(range(1, reader.lines + 1))
            return [line.data for line in reader.read(1, 100)] + marks, reader.complete


def keep(
    logs: LogFiles,
    directory: Path,
    build: str,
    key: bytes,
    *,
    ending: bytes = b"\n",
    mark: str = "canary-mark-5d41402abc4b2a76",
) -> Kept:
    writer = logs.create(build, Secret(key))
    for begin in (0, 2, 4):
        writer.write(b"".join(line + ending for line in LINES[begin : begin + 2]))
        if begin == 2 and mark:
            writer.mark(mark)
        writer.flush()
    writer.close()
    path = directory / f"{build}.log"
    data = path.read_bytes()
    chunks, at = [], FILE_HEADER_LENGTH
    while at < len(data):
        header = ChunkHeader.decode(data[at : at + ChunkHeader.LENGTH])
        end = at + ChunkHeader.LENGTH + header.length
        chunks.append(data[at:end])
        at = end
    assert len(chunks) == 4
    return Kept(logs, path, data[:FILE_HEADER_LENGTH], chunks)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return keep(LogFiles(tmp_path), tmp_path, BUILD, KEY)


WHOLE = [*LINES, b"canary-mark-5d41402abc4b2a76"]


def refused(kept: Kept, key: bytes = KEY) -> None:
    """Neither a line nor an answer that everything is there comes out of it."""
    with pytest.raises(PermanentError, match="not what was kept"):
        kept.read(key)


def test_untouched_it_opens(kept: Kept) -> None:
    assert kept.read() == (WHOLE, True)


def test_no_line_can_be_read_in_a_dump_of_the_files(kept: Kept, tmp_path: Path) -> None:
    dump = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for canary in (b"canary", b"5d41402abc4b2a76", KEY, KEY.hex().encode(), *WHOLE):
        assert canary not in dump
        assert canary.hex().encode() not in dump


def test_a_flipped_bit_in_any_byte_is_refused_or_seen(kept: Kept) -> None:
    data = kept.path.read_bytes()
    for place in range(len(data)):
        kept.path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            shown, complete = kept.read()
        except PermanentError:
            continue
        # A length that points past the end looks like a chunk that was torn: it is ignored, and said.
        assert not complete
        assert shown == WHOLE[: len(shown)] or shown == [*LINES[:4], WHOLE[-1]]


def test_every_other_order_of_its_chunks_is_refused(kept: Kept) -> None:
    for order in itertools.permutations(kept.chunks):
        if list(order) != kept.chunks:
            kept.put(kept.head, *order)
            refused(kept)


def test_a_chunk_left_out_or_twice_is_refused(kept: Kept) -> None:
    for number in range(3):
        kept.put(kept.head, *kept.chunks[:number], *kept.chunks[number + 1 :])
        refused(kept)
    for number in range(4):
        kept.put(kept.head, *kept.chunks[: number + 1], *kept.chunks[number:])
        refused(kept)


def test_a_log_cut_off_anywhere_never_passes_for_complete(kept: Kept) -> None:
    data = kept.path.read_bytes()
    for end in range(FILE_HEADER_LENGTH, len(data)):
        kept.path.write_bytes(data[:end])
        shown, complete = kept.read()
        assert not complete
        assert shown in ([], LINES[:2], [*LINES[:4], WHOLE[-1]], WHOLE)


def test_a_chunk_made_the_final_one_is_refused(kept: Kept) -> None:
    for number in range(3):
        chunk = bytearray(kept.chunks[number])
        chunk[ChunkHeader.LENGTH - 1] |= Flags.FINAL
        kept.put(kept.head, *kept.chunks[:number], bytes(chunk))
        refused(kept)


def test_a_final_chunk_made_an_ordinary_one_is_refused(kept: Kept) -> None:
    chunk = bytearray(kept.chunks[3])
    chunk[ChunkHeader.LENGTH - 1] &= ~Flags.FINAL
    kept.put(kept.head, *kept.chunks[:3], bytes(chunk))
    refused(kept)


def test_what_follows_behind_the_end_is_refused_even_from_who_has_the_key(kept: Kept) -> None:
    cipher = ChunkCipher(Secret(KEY), FileHeader.decode(kept.head))
    body = encode_body(b"", b"canary-forged\n")
    header = ChunkHeader(len(body) + 16, 4, 7, 1, 0, Flags(0))
    kept.put(kept.head, *kept.chunks, cipher.seal(header, body))
    refused(kept)


def test_chunks_of_one_line_cannot_change_places(tmp_path: Path) -> None:
    """Of their headers only the number says which comes first."""
    kept = keep(LogFiles(tmp_path), tmp_path, BUILD, KEY, ending=b" ", mark="")
    assert kept.read() == ([b" ".join(LINES) + b" "], True)
    places = {ChunkHeader.decode(chunk[: ChunkHeader.LENGTH]) for chunk in kept.chunks[:3]}
    assert {(place.first, place.newlines) for place in places} == {(1, 0)}
    *some, end = kept.chunks
    for count in (1, 2, 3):
        for order in itertools.permutations(some, count):
            if list(order) != some:
                kept.put(kept.head, *order, end)
                refused(kept)


def test_chunks_of_another_build_are_refused_also_under_the_same_key(kept: Kept, tmp_path: Path) -> None:
    for key in (KEY, OTHER_KEY):
        other = keep(LogFiles(tmp_path / key.hex()[:2]), tmp_path / key.hex()[:2], OTHER, key)
        for number in range(4):
            kept.put(kept.head, *kept.chunks[:number], other.chunks[number], *kept.chunks[number + 1 :])
            refused(kept)


def test_chunks_of_another_log_of_the_same_build_and_key_are_refused(kept: Kept, tmp_path: Path) -> None:
    other = keep(LogFiles(tmp_path / "b"), tmp_path / "b", BUILD, KEY)
    assert all(mine[-16:] != theirs[-16:] for mine, theirs in zip(kept.chunks, other.chunks, strict=True))
    for number in range(4):
        kept.put(kept.head, *kept.chunks[:number], other.chunks[number], *kept.chunks[number + 1 :])
        refused(kept)


def test_a_log_put_in_the_place_of_another_is_refused(kept: Kept, tmp_path: Path) -> None:
    other = keep(LogFiles(tmp_path / "b"), tmp_path / "b", OTHER, KEY)
    kept.path.write_bytes(other.path.read_bytes())
    refused(kept)
    # …also with the right id written over its own.
    kept.put(kept.head[:30] + other.head[30:], *other.chunks)
    refused(kept)


@pytest.mark.parametrize("key", [OTHER_KEY, bytes(32), KEY[::-1]])
def test_another_key_opens_nothing(kept: Kept, key: bytes) -> None:
    refused(kept, key)


@pytest.mark.parametrize("key", [b"", KEY[:31], KEY + b"\0", KEY[:16]])
def test_a_key_of_another_length_is_refused(kept: Kept, key: bytes) -> None:
    with pytest.raises(PermanentError, match="a log key of"):
        kept.logs.open(BUILD, Secret(key))
    with pytest.raises(PermanentError, match="a log key of"):
        kept.logs.create(OTHER, Secret(key))


def test_the_same_lines_are_never_sealed_to_the_same_bytes(kept: Kept, tmp_path: Path) -> None:
    other = keep(LogFiles(tmp_path / "b"), tmp_path / "b", BUILD, KEY)
    body = ChunkHeader.LENGTH
    assert all(mine[body:] != theirs[body:] for mine, theirs in zip(kept.chunks, other.chunks, strict=True))


LIES: dict[str, Callable[[bytearray], None]] = {
    "first line": lambda chunk: chunk.__setitem__(slice(12, 20), (1).to_bytes(8, "big")),
    "newlines": lambda chunk: chunk.__setitem__(slice(20, 24), (9).to_bytes(4, "big")),
    "time": lambda chunk: chunk.__setitem__(slice(24, 32), b"\xff" * 8),
    "flags": lambda chunk: chunk.__setitem__(32, 0xFF),
    "number": lambda chunk: chunk.__setitem__(slice(4, 12), b"\xff" * 8),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("number", range(4))
def test_a_header_that_lies_is_refused(kept: Kept, lie: str, number: int) -> None:
    chunk = bytearray(kept.chunks[number])
    LIES[lie](chunk)
    if bytes(chunk) == kept.chunks[number]:
        return
    kept.put(kept.head, *kept.chunks[:number], bytes(chunk), *kept.chunks[number + 1 :])
    refused(kept)
    if lie in {"first line", "number", "flags"} or (lie == "newlines" and number < 3):
        with pytest.raises(PermanentError):  # before anything is read at the place it leads to
            kept.logs.open(BUILD, Secret(KEY))


def test_consistent_lies_about_lines_lead_to_no_line_under_a_wrong_number(kept: Kept) -> None:
    """All headers from one on moved by a line: whatever is read there does not open."""
    chunks = [bytearray(chunk) for chunk in kept.chunks]
    chunks[0][20:24] = (3).to_bytes(4, "big")
    for chunk in chunks[1:]:
        chunk[12:20] = (int.from_bytes(chunk[12:20], "big") + 1).to_bytes(8, "big")
    kept.put(kept.head, *map(bytes, chunks))
    refused(kept)
    # Only the last chunk is as it was: the log can be opened, and its middle still cannot be read.
    kept.put(kept.head, bytes(chunks[0]), *map(bytes, chunks[1:3]), kept.chunks[3])
    refused(kept)


@pytest.mark.parametrize("data", [b"", b"sealock-log 1\n", b"sealock-log 2\n" + bytes(48), bytes(1000)])
def test_what_is_no_log_is_refused(kept: Kept, data: bytes) -> None:
    kept.path.write_bytes(data)
    refused(kept)


def test_a_link_in_its_place_is_refused(kept: Kept, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    kept.path.rename(target)
    kept.path.symlink_to(target)
    with pytest.raises(PermanentError, match="cannot be read"):
        kept.read()


def test_a_masked_and_sealed_log_holds_no_secret_for_its_reader_either(tmp_path: Path) -> None:
    logs, masker = LogFiles(tmp_path), StreamMasker()
    masker.add("TOKEN", Secret(b"canary-token-1f3870be"))
    writer = logs.create(BUILD, Secret(KEY))
    for piece in (b"before canary-to", b"ken-1f3870be after\nbefore canary-token-1f38"):
        writer.write(masker.feed(piece))
    writer.write(masker.finish())
    writer.close()
    with logs.open(BUILD, Secret(KEY)) as reader:
        assert [line.data for line in reader.read(1, 9)] == [b"before *** after", b"before ***"]
