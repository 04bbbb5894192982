"""A secret is masked also where a terminal's escapes or the end of a line stand between its letters."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.secret import Secret
from sealock.livelog.mask import StreamMasker
from sealock.livelog.mask_gaps import FEWEST_BEFORE_A_BREAK, LONGEST_GAP
from sealock.livelog.needles import LONGEST_NEEDLE
from sealock.livelog.spellings import spell
from tests.unit.livelog.mask_rule import expected, is_masked

TOKEN = b"ghp_7Qm2xLw9Rk4vTz8s"
ESCAPES = [
    b"\x1b[01;31m",
    b"\x1b[m\x1b[K",
    b"\x1b[38;2;10;200;30m",
    b"\x1b(B",
    b"\x1b7",
    b"\x1b]0;a title\x07",
    b"\x1b]8;;https://example.com/x\x1b\\",
    b"\x1bP1$r0m\x1b\\",
]
UNFINISHED = [b"\x1b", b"\x1b[", b"\x1b[3", b"\x1b]", b"\x1b]8;;x", b"\x1bP", b"\x1b(", b"\x18", b"\x07"]
BREAKS = [b"\n", b"\r\n", b"\r"]
LONG_GAPS = [b"\x1b[" + b"1" * (size - 3) + b"m" for size in (LONGEST_GAP, LONGEST_GAP + 1)]


def masker_of(*secrets: bytes) -> StreamMasker:
    masker = StreamMasker()
    for secret in secrets:
        assert masker.add("S", Secret(secret)) is None
    return masker


def through(masker: StreamMasker, pieces: Iterable[bytes]) -> bytes:
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


def texts_of(secrets: Sequence[bytes]) -> set[bytes]:
    return {text for secret in secrets for text in spell("X", secret).texts}


@st.composite
def streams(draw: st.DrawFn, secrets: Sequence[bytes]) -> bytes:
    """Secrets and parts of them, with gaps in and around them."""
    gap = st.one_of(st.just(b""), *map(st.sampled_from, (ESCAPES, UNFINISHED, BREAKS, LONG_GAPS)))
    text = st.sampled_from(sorted(texts_of(secrets)))
    parts: list[bytes] = []
    for _ in range(draw(st.integers(0, 4))):
        whole = draw(text)
        cut = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
        last = draw(st.sampled_from([len(whole), len(whole) - 1]))
        for begin, end in zip([0, *cut], [*cut, last], strict=True):
            parts += [whole[begin:end], draw(gap)]
    return b"".join(parts)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_stream_is_masked_as_the_rule_says_however_it_is_split(data: st.DataObject) -> None:
    letters = data.draw(st.sampled_from(["ab", "abcm[3]"]))
    secret = st.text(letters, min_size=4, max_size=16).map(str.encode).filter(is_masked)
    secrets = data.draw(st.lists(secret, min_size=1, max_size=2))
    stream = data.draw(streams(secrets))
    want = expected(stream, texts_of(secrets))
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    ends = [0, *sorted(places), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(ends)]
    assert through(masker_of(*secrets), pieces) == want
    assert through(masker_of(*secrets), [stream[each : each + 1] for each in range(len(stream))]) == want


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_every_split_in_two(data: st.DataObject) -> None:
    stream = data.draw(streams([TOKEN]))
    masker, want = masker_of(TOKEN), expected(stream, texts_of([TOKEN]))
    for place in range(len(stream) + 1):
        assert through(masker, [stream[:place], stream[place:]]) == want


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_secret_is_masked_with_an_escape_anywhere_in_it_and_keeps_its_look(escape: bytes) -> None:
    masker = masker_of(TOKEN)
    for place in range(1, len(TOKEN)):
        coloured = escape + TOKEN[:place] + escape + TOKEN[place:] + escape
        assert through(masker, [b"is " + coloured + b"."]) == b"is " + escape + b"***" + escape * 2 + b"."


def test_every_letter_may_have_a_colour_of_its_own() -> None:
    colours = [b"\x1b[3%dm" % (each % 8) for each in range(len(TOKEN))]
    rainbow = b"".join(colour + b"%c" % letter for colour, letter in zip(colours, TOKEN, strict=True))
    assert through(masker_of(TOKEN), [rainbow]) == colours[0] + b"***" + b"".join(colours[1:])


@pytest.mark.parametrize("wanted", ["7Qm2", "ghp_7", "8s", "."])
def test_what_grep_colours_is_masked(wanted: str) -> None:
    grep = shutil.which("grep") or "grep"
    done = subprocess.run(
        [grep, "--color=always", "-n", wanted],
        input=b"token = " + TOKEN + b"\n",
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.count(b"\x1b") >= 2
    shown = through(masker_of(TOKEN), [done.stdout])
    assert b"***" in shown
    assert not any(TOKEN[begin : begin + 2] in shown for begin in range(len(TOKEN) - 1))


@pytest.mark.parametrize("width", [8, 10, 16])
@pytest.mark.parametrize("line_end", BREAKS)
def test_a_secret_broken_into_lines_is_masked(width: int, line_end: bytes) -> None:
    lines = [TOKEN[start : start + width] for start in range(0, len(TOKEN), width)]
    shown = through(masker_of(TOKEN), [b"<" + line_end.join(lines) + b">"])
    assert shown.replace(b"***", b"").translate(None, b"\r\n") == b"<>"
    assert shown.count(b"\n") == len(lines) * line_end.count(b"\n") - line_end.count(b"\n")


@pytest.mark.parametrize("before", range(1, FEWEST_BEFORE_A_BREAK))
def test_a_line_does_not_wait_for_the_few_letters_at_its_end(before: int) -> None:
    masker = masker_of(TOKEN)
    line = b"progress " + TOKEN[:before] + b"\x1b[m\n"
    assert masker.feed(line) == line
    assert masker.feed(TOKEN[before:] + b" end\n") == b"*** end\n"


def test_a_short_secret_is_not_looked_for_across_lines() -> None:
    assert through(masker_of(b"1234567"), [b"123\n4567 123\x1b[m4567"]) == b"123\n4567 ***\x1b[m"


@pytest.mark.parametrize("begin", [b"\x1b[", b"\x1b]8;;", b"\x1b[m", b"\x1b(", b"\n", b"\x1b"])
@pytest.mark.parametrize("endless", [b"1", b"\x1b[m", b"\n", b"\r", b"\x1b", b"("])
def test_escapes_without_end_hold_nothing_back_and_take_no_memory(begin: bytes, endless: bytes) -> None:
    masker = masker_of(TOKEN)
    held = len(TOKEN[:12] + begin) - len(masker.feed(TOKEN[:12] + begin))
    for _ in range(20):
        held += len(endless) * 100 - len(masker.feed(endless * 100))
        assert held <= 12 + LONGEST_GAP
        assert len(masker._stream._held) <= 12 + LONGEST_GAP
        assert len(masker._stream._joined._kept) <= 12 + LONGEST_GAP
    assert masker.feed(b"\x07\nand\n").endswith(b"and\n")


def test_what_is_held_back_is_bounded_whatever_comes() -> None:
    chance = random.Random(3)
    masker = masker_of(TOKEN * 3)
    for _ in range(3000):
        piece = chance.choice([*ESCAPES, *UNFINISHED, *BREAKS, *LONG_GAPS, TOKEN, TOKEN[:9], TOKEN[9:]])
        masker.feed(piece)
        assert len(masker._stream._held) <= LONGEST_NEEDLE * (LONGEST_GAP + 1)
        assert len(masker._stream._joined._kept) <= LONGEST_NEEDLE * (LONGEST_GAP + 1)


def test_a_long_secret_is_masked_through_its_colours_over_any_split() -> None:
    chance = random.Random(5)
    secret = b"".join(b"%c" % chance.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(5000))
    parts, start = [b"<"], 0
    while start < len(secret):
        size = chance.randrange(1, 30)
        parts += [secret[start : start + size], chance.choice([b"", *ESCAPES])]
        start += size
    stream = b"".join(parts) + b">"
    whole = through(masker_of(secret), [stream])
    assert whole.count(b"***") == 1
    masker = masker_of(secret)
    for _ in range(30):
        ends = [0, *sorted(chance.randrange(len(stream)) for _ in range(40)), len(stream)]
        pieces = [stream[begin:end] for begin, end in pairwise(ends)]
        assert through(masker, pieces) == whole


def test_a_secret_within_an_escape_is_masked_too() -> None:
    link = b"\x1b]8;;https://example.com/?token=" + TOKEN + b"\x1b\\here\x1b]8;;\x1b\\\n"
    assert through(masker_of(TOKEN), [link]) == link.replace(TOKEN, b"***")


def test_output_cut_off_inside_a_coloured_secret_shows_little_of_it() -> None:
    stream = b"is " + TOKEN[:6] + b"\x1b[31m" + TOKEN[6:12]
    assert through(masker_of(TOKEN), [stream]) == b"is ***\x1b[31m"


def test_colours_around_what_is_no_secret_stay() -> None:
    chance = random.Random(9)
    words = [chance.choice([b"ghp_", b"7Qm2", b"ok", b"s"]) for _ in range(3000)]
    stream = b" ".join(chance.choice(ESCAPES) + word + chance.choice(ESCAPES) for word in words)
    assert through(masker_of(TOKEN), [stream[at : at + 99] for at in range(0, len(stream), 99)]) == stream


@st.composite
def much_output(draw: st.DrawFn) -> bytes:
    """So much that only its end is looked at for what may go on: lines, long and short, and escapes; then
    some of a secret, in which an escape may go on that began long before."""
    seed, size = draw(st.integers(0, 1 << 16)), draw(st.sampled_from([300, 700, 1500]))
    chance = random.Random(seed)
    kinds = [
        [b"ok ", b"Zeile "],
        BREAKS,
        ESCAPES,
        UNFINISHED,
        [TOKEN[:9], TOKEN],
        [b"x" * 90, b"\x1b[m" * 30],
    ]
    few = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    parts: list[bytes] = []
    while sum(map(len, parts)) < size:
        parts.append(chance.choice(chance.choice(few)))
    return b"".join(parts) + draw(streams([TOKEN]))


@settings(max_examples=20, deadline=None)
@given(much_output(), st.lists(st.integers(0, 200), max_size=3))
def test_much_output_in_large_pieces_is_masked_as_the_rule_says(stream: bytes, from_end: list[int]) -> None:
    ends = [0, *sorted(max(0, len(stream) - each) for each in from_end), len(stream)]
    pieces = [stream[begin:end] for begin, end in pairwise(ends)]
    assert through(masker_of(TOKEN), pieces) == expected(stream, texts_of([TOKEN]))


@pytest.mark.parametrize("escapes", [b"\x1b[m" * 80, b"\x1b]0;" + b"t" * 195 + b"\x07"])
@pytest.mark.parametrize("between", [b"", b"\n"])
def test_a_secret_that_began_many_escapes_ago_waits_from_its_beginning(
    escapes: bytes, between: bytes
) -> None:
    begin = b"is " + TOKEN[:5] + b"\x1b[m" + TOKEN[5:10] + between
    begin += escapes + TOKEN[10:12] + escapes + TOKEN[12:14] + escapes
    stream, rest = b"ordinary" + between + begin, TOKEN[14:] + b"."
    assert through(masker_of(TOKEN), [stream, rest]) == expected(stream + rest, texts_of([TOKEN]))
