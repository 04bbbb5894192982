"""The end of a command is found in any stream, however it is split, and nothing waits needlessly."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.builds.marker import MarkerParser

NONCE = b"0123456789abcdef0123456789abcdef"
PREFIX = b"\0" + NONCE + b" "


def marker(number: int, code: int, nonce: bytes = NONCE) -> bytes:
    return b"\0%s %d %d\n" % (nonce, number, code)


# What a hostile or unlucky output is made of: pieces of markers, whole ones of other commands and steps.
scraps = st.one_of(
    st.binary(max_size=40),
    st.integers(0, len(PREFIX)).map(lambda end: PREFIX[:end]),
    st.sampled_from([marker(2, 0), marker(12, 0), marker(0, 0), marker(1, 0, b"f" * 32)]),
    st.sampled_from([PREFIX, PREFIX + b"1 \n", PREFIX + b"1 x\n", PREFIX + b"\n", PREFIX + b"1", b"\0\0"]),
    st.just(PREFIX + b"1 " + b"0" * 20 + b"\n"),
)
outputs = st.lists(scraps, max_size=8).map(b"".join)


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    """`stream` in pieces, cut at these places (modulo its length)."""
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[start:end] for start, end in itertools.pairwise(places)]


def accepted(stream: bytes) -> int:
    """Where the first marker of command 1 begins, found the slow and simple way; -1 if nowhere."""
    for start in range(len(stream)):
        rest = stream[start:].removeprefix(PREFIX)
        fields, newline, _ = rest[:16].partition(b"\n")
        number, _, code = fields.partition(b" ")
        digits = bool(newline) and number.isdigit() and code.isdigit()
        if len(rest) < len(stream) - start and digits and int(number) == 1:
            return start
    return -1


@given(outputs, st.integers(0, 255), outputs, st.lists(st.integers(0, 2000), max_size=12))
def test_any_output_in_any_pieces(output: bytes, code: int, after: bytes, cuts: list[int]) -> None:
    stream = output + marker(1, code) + after
    parser = MarkerParser(NONCE)
    parser.expect(1)
    got = b""
    later = b""
    for piece in split(stream, cuts):
        if parser.exit_code is None:
            got += parser.feed(piece)
        else:
            later += piece
    begin = accepted(stream)
    assert parser.exit_code is not None
    assert got == stream[:begin]
    end = stream.index(b"\n", begin + len(PREFIX)) + 1
    assert parser.rest() + later == stream[end:]


@given(st.binary(max_size=60).filter(lambda data: b"\0" not in data))
def test_output_without_a_nul_never_waits(output: bytes) -> None:
    parser = MarkerParser(NONCE)
    parser.expect(1)
    assert parser.feed(output) == output


@given(outputs, st.lists(st.integers(0, 2000), max_size=12))
def test_no_more_waits_than_may_be_a_marker(output: bytes, cuts: list[int]) -> None:
    parser = MarkerParser(NONCE)
    parser.expect(3)
    got = b""
    seen = b""
    for piece in split(output, cuts):
        seen += piece
        got += parser.feed(piece)
        waiting = seen[len(got) :]
        assert len(waiting) < len(PREFIX) + 16
        assert PREFIX.startswith(waiting[: len(PREFIX)])
    assert got + parser.rest() == output


def test_what_comes_after_a_marker_belongs_to_the_next_command() -> None:
    parser = MarkerParser(NONCE)
    parser.expect(1)
    assert parser.feed(b"one" + marker(1, 3) + b"late" + marker(2, 0)) == b"one"
    assert parser.exit_code == 3
    parser.expect(2)
    assert parser.feed(b"") == b"late"
    assert parser.exit_code == 0


def test_the_marker_of_another_command_or_step_is_output() -> None:
    parser = MarkerParser(NONCE)
    parser.expect(7)
    stale = marker(6, 0) + marker(8, 0) + marker(7, 0, b"a" * 32)
    assert parser.feed(stale) == stale
    assert parser.exit_code is None


@pytest.mark.parametrize(
    ("line", "least"),
    [
        (b"a line of a log, as they are\n", 50e6),
        (b"\0", 50e6),
        (PREFIX[:20], 50e6),
        (marker(2, 0), 5e6),  # nobody writes this but to be slow
    ],
)
def test_bytes_per_second(line: bytes, least: float) -> None:
    piece = (line * (65536 // len(line) + 1))[:65536]
    parser = MarkerParser(NONCE)
    parser.expect(1)
    # Processor time: other tests run beside this one.
    begun = time.process_time()
    for _ in range(160):
        parser.feed(piece)
    assert 160 * len(piece) > least * (time.process_time() - begun)
