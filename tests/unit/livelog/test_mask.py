"""A masked stream says the same whatever way it came in pieces, and shows no secret."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.secret import Secret
from sealock.livelog.mask import StreamMasker
from sealock.livelog.needles import LONGEST_NEEDLE
from sealock.livelog.spellings import spell
from tests.unit.livelog.mask_rule import expected, is_masked


def masker_of(*secrets: bytes) -> StreamMasker:
    masker = StreamMasker()
    for number, secret in enumerate(secrets):
        masker.add(f"S{number}", Secret(secret))
    return masker


def through(masker: StreamMasker, pieces: Iterable[bytes]) -> bytes:
    return b"".join(masker.feed(piece) for piece in pieces) + masker.finish()


def split(stream: bytes, at: Sequence[int]) -> list[bytes]:
    places = sorted({0, *(place % (len(stream) + 1) for place in at), len(stream)})
    return [stream[begin:end] for begin, end in pairwise(places)]


# Few letters, so that secrets overlap, begin one another and repeat within themselves all the time.
SECRETS = st.lists(
    st.text("ab", min_size=4, max_size=12).map(str.encode).filter(is_masked), min_size=1, max_size=4
)


@st.composite
def streams(draw: st.DrawFn, secrets: Sequence[bytes]) -> bytes:
    """Mostly secrets and parts of them, in every spelling."""
    texts = sorted({text for secret in secrets for text in spell("X", secret).texts})
    part = st.one_of(
        st.sampled_from(texts),
        st.sampled_from(texts).flatmap(
            lambda text: st.integers(0, len(text)).map(lambda length: text[:length])
        ),
        st.text("ab\n", max_size=4).map(str.encode),
        st.binary(max_size=3),
    )
    return b"".join(draw(st.lists(part, max_size=8)))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_split_gives_what_the_rule_says(data: st.DataObject) -> None:
    secrets = data.draw(SECRETS)
    stream = data.draw(streams(secrets))
    at = data.draw(st.lists(st.integers(0, 400), max_size=8))
    texts = {text for secret in secrets for text in spell("X", secret).texts}
    assert through(masker_of(*secrets), split(stream, at)) == expected(stream, texts)


@pytest.mark.parametrize(
    "secrets",
    [
        (b"hunter2-hunter3",),
        (b"abcd", b"abcdefgh", b"efgh1234", b"gh12"),
        (b"line one\nline two\r\nline three",),
        (b"aaaaaaaa",),
        (bytes(range(0, 40)),),
    ],
    ids=["token", "beginning and overlap", "lines", "periodic", "binary"],
)
def test_every_split_in_two_and_byte_by_byte(secrets: tuple[bytes, ...]) -> None:
    stream = b"say " + b" and ".join(secrets) + secrets[-1] + secrets[0][:3] + b"\nend " + secrets[0][:-1]
    texts = {text for secret in secrets for text in spell("X", secret).texts}
    want = expected(stream, texts)
    for place in range(len(stream) + 1):
        assert through(masker_of(*secrets), [stream[:place], stream[place:]]) == want
    assert through(masker_of(*secrets), [stream[each : each + 1] for each in range(len(stream))]) == want


LONG = st.one_of(
    st.binary(min_size=70, max_size=3000),
    st.text("ab\n", min_size=70, max_size=400).map(str.encode),
    st.text("abcd\n", min_size=1, max_size=40).map(lambda text: (text * (300 // len(text))).encode()),
)


@settings(max_examples=50, deadline=None)
@given(LONG, st.lists(st.integers(0, 4000), max_size=12), st.data())
def test_a_long_secret_is_masked_whole_over_any_split(
    secret: bytes, at: list[int], data: st.DataObject
) -> None:
    bare = secret if b"\0" in secret else secret.strip()
    if len(bare) <= LONGEST_NEEDLE:
        return
    begin = data.draw(st.integers(0, len(bare)))
    part = bare[begin : begin + data.draw(st.integers(0, len(bare)))]
    stream = b"<" + bare + part + bare + b">"
    shown = through(masker_of(secret), [stream])
    assert through(masker_of(secret), split(stream, at)) == shown
    assert shown.count(b"\n") == stream.count(b"\n")
    if len(set(bare[:32])) >= 4:
        whole = through(masker_of(secret), split(b"<" + bare + b">", at))
        assert whole == b"<" + b"\n".join(b"***" if line else b"" for line in bare.split(b"\n")) + b">"


@pytest.mark.parametrize("size", [1, 100, 4096])
def test_a_long_file_of_any_bytes_is_masked_whole_piece_by_piece(size: int) -> None:
    """Some of its bytes begin an escape, so that it is found as it is and in no other way; and between two
    places where it is found again there are pieces in which it only goes on."""
    secret = random.Random(7).randbytes(10_000).translate(None, b"\r\n")
    pieces = [secret[start : start + size] for start in range(0, len(secret), size)]
    assert through(masker_of(secret), pieces) == b"***"


def test_what_a_shell_quotes_of_a_long_secret_is_masked_from_any_line_on() -> None:
    """Such as the last lines of `declare -p`: quoted, no line is one of the secret's own."""
    lines = [f'{number}: "{number * 7919:x}" is what $it has there' for number in range(200)]
    masker = masker_of("\n".join(lines).encode())
    for first in (1, 50, 77, 199):
        shown = "\n".join(lines[first:]).replace('"', '\\"').replace("$", "\\$").encode()
        assert through(masker, [shown]) == b"\n".join([b"***"] * (200 - first))


@pytest.mark.parametrize("length", [100, 3000, 50_000])
def test_a_part_of_a_long_secret_is_masked_but_for_its_edges(length: int) -> None:
    chance = random.Random(length)
    secret = chance.randbytes(length)
    masker = masker_of(secret)
    for _ in range(20):
        begin = chance.randrange(length // 2)
        part = secret[begin : begin + chance.randrange(length // 2)]
        pieces = split(b"<" + part + b">", [chance.randrange(length) for _ in range(5)])
        shown = through(masker, pieces).replace(b"***", b"")
        assert len(shown.replace(b"\n", b"")) <= 2 + 256 + 32


def test_what_is_held_back_is_shorter_than_a_needle_whatever_the_secret() -> None:
    secret = random.Random(7).randbytes(100_000)
    masker = masker_of(secret, b"word-" * 10)
    stream = b"word-" * 7 + secret + b"word-" * 9 + os.urandom(5000)
    for each in range(0, len(stream), 7):
        masker.feed(stream[each : each + 7])
        assert len(masker._stream._as_it_is._kept) < LONGEST_NEEDLE


def test_what_cannot_be_a_secret_any_more_is_there_at_once() -> None:
    masker = masker_of(b"hunter2-hunter3")
    assert masker.feed(b"Password: ") == b"Password: "
    assert masker.feed(b"hunt") == b""
    assert masker.feed(b"ing season? ") == b"hunting season? "
    assert masker.feed(b"no\n") == b"no\n"


def test_a_secret_that_comes_in_two_parts_with_a_pause_is_masked() -> None:
    masker = masker_of(b"hunter2-hunter3")
    assert masker.feed(b"it is hunter2-") == b"it is "
    assert masker.feed(b"") == b""
    assert masker.feed(b"hunter3\n") == b"***\n"


def test_a_secret_that_begins_a_longer_one_waits_and_is_masked_either_way() -> None:
    masker = masker_of(b"hunter2", b"hunter2-hunter3")
    assert masker.feed(b"hunter2") == b""
    assert masker.feed(b"!") == b"***!"
    assert masker.feed(b"hunter2-hunter") == b""
    assert masker.feed(b"3!") == b"***!"


def test_output_cut_off_inside_a_secret_shows_little_of_it() -> None:
    masker = masker_of(b"hunter2-hunter3-hunter4")
    assert masker.feed(b"it is hunter2-hunter3-") == b"it is "
    assert masker.finish() == b"***"
    assert masker.feed(b"it is hunter") + masker.finish() == b"it is hunter"


def test_a_stream_that_ended_has_nothing_to_do_with_the_next() -> None:
    masker = masker_of(b"hunter2-hunter3")
    assert masker.feed(b"hunter") + masker.finish() == b"hunter"
    assert masker.feed(b"2-hunter3") + masker.finish() == b"2-hunter3"
    assert masker.finish() == b""


def test_a_secret_may_come_to_it_in_the_middle_of_a_stream() -> None:
    masker = StreamMasker()
    assert masker.feed(b"hunter2 ") == b"hunter2 "
    assert masker.add("A", Secret(b"hunter2")) is None
    assert masker.feed(b"hunter2 hun") == b"*** "
    assert masker.add("B", Secret(b"season")) is None
    assert masker.feed(b"ting season") + masker.finish() == b"hunting ***"


def test_without_secrets_nothing_changes_and_nothing_waits() -> None:
    masker = StreamMasker()
    stream = os.urandom(10_000)
    assert masker.feed(stream) == stream
    assert masker.finish() == b""
    assert masker.text("\udcff plain") == "\udcff plain"


def test_no_line_is_lost() -> None:
    chance = random.Random(5)
    secret = b"hunter2-hunter3"
    lines = [b"%d " % each + (secret if each % 3 else b"hunter2-") for each in range(5000)]
    stream = b"".join(line + b"\n" for line in lines)
    shown = through(masker_of(secret), split(stream, [chance.randrange(len(stream)) for _ in range(300)]))
    assert shown == stream.replace(secret, b"***")


def test_a_text_beside_the_stream_is_masked_on_its_own() -> None:
    masker = masker_of("gehe¡mnis-ü".encode())
    assert masker.feed("gehe¡m".encode()) == b""
    assert masker.text("curl -H 'gehe¡mnis-ü' ü") == "curl -H '***' ü"
    assert masker.feed("nis-ü\n".encode()) == b"***\n"


def test_a_forgotten_secret_is_refused_rather_than_not_masked() -> None:
    secret = Secret(b"hunter2")
    secret.forget()
    with pytest.raises(ValueError, match="forgotten"):
        StreamMasker().add("A", secret)


@pytest.mark.parametrize("secret", [b"x" * (1 << 18), b"0123456789" * 25_000], ids=["one byte", "periodic"])
def test_a_long_secret_of_little_variety_costs_no_more_than_its_length(secret: bytes) -> None:
    assert through(masker_of(secret), split(secret, range(0, len(secret), 30_000))) == b"***"


def test_its_secrets_are_not_printed() -> None:
    assert b"hunter2" not in repr(vars(masker_of())).encode()
    assert "hunter2" not in repr(masker_of(b"hunter2"))
