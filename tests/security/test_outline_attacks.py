"""The outline that is kept with a log is its writer's word: whoever writes logs writes what they like into
it, and whoever has the files but no key learns nothing of it and changes nothing in it."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from sealock.core.errors import PermanentError
from sealock.core.event import CommandEnded, CommandStarted
from sealock.core.event_text import to_text
from sealock.core.log_pages import LogOutline
from sealock.core.sealed import Owner
from sealock.livelog import outline_form
from sealock.livelog.format import FILE_HEADER_LENGTH, TAG_LENGTH, ChunkHeader, Flags
from sealock.livelog.outline import Outlining
from sealock.web.pages.build_log import _outline
from tests.support.build_views import RED
from tests.support.shelf import ACCOUNT, PROJECT, RUN, ShelfFixture

pytestmark = pytest.mark.anyio

LINES = 10
CANARY = "canary-5d41402abc4b2a76"
GROUP: list[Any] = ["group", "a name", 1, 2, False, None, None, None, []]
TRUE: dict[str, Any] = {
    "form": 1,
    "groups": [GROUP],
    "notes": [[1, "error", "x"]],
    "failing": [3, "make", "gcc"],
}


def group(**changed: Any) -> dict[str, Any]:
    """An outline of one group of which something is different."""
    names = ("kind", "name", "first", "last", "is_open", "ok", "exit_code", "seconds", "groups")
    assert set(changed) <= set(names)
    told = [changed.get(name, value) for name, value in zip(names, GROUP, strict=True)]
    return {**TRUE, "groups": [told]}


def deep(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [[*GROUP[:8], inner]]
    return inner


FORGED: dict[str, object] = {
    "nothing": None,
    "a list": [],
    "a field more": {**TRUE, "more": 1},
    "a field less": {"form": 1},
    "another form": {**TRUE, "form": 2},
    "groups that are none": {**TRUE, "groups": {"a": 1}},
    "a group too short": {**TRUE, "groups": [["group"]]},
    "a kind of its own": group(kind="<script>"),
    "a kind that cannot be looked up": group(kind=[]),
    "a name that is a number": group(name=5),
    "a name without an end": group(name="x" * 100_000),
    "half a surrogate": group(name="\ud800"),
    "a line before the first": group(first=0),
    "a line behind the last": group(first=LINES + 2, last=LINES + 5),
    "a range beyond the end": group(last=LINES + 1),
    "a range backwards": group(first=5, last=2),
    "a range without an end": group(last=None),
    "a line that is a truth": group(first=True),
    "a line that is a fraction": group(first=1.5),
    "a group beyond the one it is in": group(groups=[[*GROUP[:3], 9, *GROUP[4:]]]),
    "openness that is a text": group(is_open="false"),
    "success that is a number": group(ok=1),
    "an endless code": group(exit_code=10**400),
    "an endless time": group(seconds=float("inf")),
    "a time that is none": group(seconds=float("nan")),
    "a depth without an end": {**TRUE, "groups": deep(60)},
    "groups without number": {**TRUE, "groups": [GROUP] * 6000},
    "notes without number": {**TRUE, "notes": TRUE["notes"] * 1001},
    "a note of no line": {**TRUE, "notes": [[LINES + 1, "error", "x"]]},
    "a note of a level of its own": {**TRUE, "notes": [[1, "<b>", "x"]]},
    "a failure behind the end": {**TRUE, "failing": [LINES + 1, None, None]},
    "a failure at nought": {**TRUE, "failing": [0, None, None]},
    "a failure that is a text": {**TRUE, "failing": "3"},
    "a command that is a list": {**TRUE, "failing": [3, ["rm"], None]},
    "a tool that is a truth": {**TRUE, "failing": [3, None, True]},
}
BYTES: dict[str, bytes] = {
    "no JSON": b"\x00\xff",
    "one bracket after the other": b"[" * 500_000,
    "an endless number": b'{"form":' + b"9" * 100_000 + b"}",
    "more than is ever kept": json.dumps(TRUE).encode().ljust(700 * 1024),
}


@pytest.fixture
def lab(tmp_path: Path) -> ShelfFixture:
    return ShelfFixture(tmp_path)


def write(lab: ShelfFixture) -> None:
    log = lab.begin()
    log.mark(to_text(CommandStarted(1, f"make {CANARY}", 1.0)))
    log.write(f"::group::{CANARY}\n::error::{CANARY}\n".encode())
    log.write(b"error: it broke\n" * (LINES - 2))
    log.mark(to_text(CommandEnded(1, 2, 1.0)))
    log.close()


async def look(lab: ShelfFixture) -> LogOutline:
    """As a page does: what it makes of it can be sent."""
    try:
        async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
            found = await opened.outline()
            await opened.page(1)
    finally:
        lab.shelf.readers.close()
    json.dumps(_outline(found, RED, None), allow_nan=False).encode()
    (found.failing_command or "").encode()
    return found


@pytest.mark.parametrize("name", [*FORGED, *BYTES])
async def test_a_forged_one_is_made_anew(
    lab: ShelfFixture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = BYTES[name] if name in BYTES else json.dumps(FORGED[name]).encode()
    monkeypatch.setattr(Outlining, "kept", lambda *_: data)
    write(lab)
    found = await look(lab)
    assert (found.total_lines, found.failing_line) == (LINES, 2)
    assert [each.name for each in found.groups[0].groups] == [CANARY]


async def test_one_that_fits_the_log_is_believed_and_shown_as_text(
    lab: ShelfFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the one before fails for what is wrong with it. A worker that lies there can lie in the log."""
    told = group(name="\x1b[31m\u202eevil")
    monkeypatch.setattr(Outlining, "kept", lambda *_: json.dumps(told).encode())
    write(lab)
    found = await look(lab)
    assert (found.failing_line, found.failing_command) == (3, "make")
    assert "\x1b" not in found.groups[0].name
    assert "\u202e" not in found.groups[0].name


async def test_a_damaged_one_is_refused_like_any_other_byte_of_the_log(lab: ShelfFixture) -> None:
    write(lab)
    path = lab.files.place(RUN)
    content = path.read_bytes()
    for back in (1, 17, 1000, 3000, 4000):
        at = len(content) - back
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(PermanentError, match="not what was kept"):
            await look(lab)
    start = content.rindex(_last_header(content))
    bare = bytearray(content)
    bare[start + ChunkHeader.LENGTH - 1] &= ~Flags.OUTLINE & 0xFF
    path.write_bytes(bytes(bare))
    with pytest.raises(PermanentError, match="not what was kept"):
        await look(lab)
    path.write_bytes(content[:start])
    assert not (await look(lab)).complete, "what was cut off with it is missed"


def _last_header(content: bytes) -> bytes:
    start, length = FILE_HEADER_LENGTH, ChunkHeader.LENGTH
    while (end := start + length + ChunkHeader.decode(content[start : start + length]).length) < len(content):
        start = end
    return content[start : start + length]


async def test_nobody_without_the_key_learns_anything_of_it(lab: ShelfFixture, tmp_path: Path) -> None:
    write(lab)
    assert CANARY in repr(await look(lab))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    assert ChunkHeader.decode(_last_header(lab.files.place(RUN).read_bytes())).length in {
        length + 4 + 4 + TAG_LENGTH for length in outline_form.LENGTHS
    }
    lab.logs.remove(Owner(ACCOUNT, PROJECT), RUN, "ann")
    assert [path for path in tmp_path.rglob("*.log") if path.is_file()] == [], "it goes with the log"


async def test_marks_of_a_worker_that_writes_what_it_likes_break_no_page(
    lab: ShelfFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outlining, "kept", lambda *_: b"")
    log = lab.begin()
    for text in (
        '{"event":"phase-started","name":7,"at":1}',
        '{"event":"command-started","number":1,"line":["rm"],"at":1}',
        '{"event":"command-started","number":1,"line":"\\ud800","at":1}',
        '{"event":"command-ended","number":1,"exit_code":1,"seconds":NaN}',
        '{"event":"command-ended","number":1,"exit_code":"1","seconds":1}',
        '{"event":"phase-ended","name":"x","at":"z","ok":true}',
        "[" * 10_000,
    ):
        log.mark(text)
    log.write(b"x\n" * LINES)
    log.close()
    assert (await look(lab)).total_lines == LINES


async def test_ever_so_many_marks_do_not_fill_the_memory(
    lab: ShelfFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outlining, "kept", lambda *_: b"")
    monkeypatch.setattr(Outlining, "mark", lambda *_: None)
    log = lab.begin()
    for _ in range(2000):
        log.mark("x" * 16_000)
    log.write(b"x\n" * LINES)
    log.close()
    tracemalloc.start()
    try:
        assert (await look(lab)).total_lines == LINES
        assert tracemalloc.get_traced_memory()[1] < 16 << 20, "of 32 MB of marks"
    finally:
        tracemalloc.stop()


@pytest.mark.slow
async def test_a_log_of_one_line_of_500_megabytes_is_shown_in_little_memory(lab: ShelfFixture) -> None:
    block = b"x" * (1 << 20)
    log = lab.begin()
    for _ in range(500):
        log.write(block)
    log.close()
    tracemalloc.start()
    try:
        async with lab.shelf, lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
            assert (await opened.outline()).total_lines == 1
            page = await opened.page(1)
            assert (page.total_lines, page.lines[0].cut) == (1, True)
            assert (await opened.search("nowhere")).of == 0
            hits = await opened.search("x" * 100)
            assert (hits.of, hits.more) == (1, False)
            size = 0
            async for piece in opened.raw():
                size += len(piece)
            assert size == 500 * len(block) + 1, "all of it, and a newline"
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
