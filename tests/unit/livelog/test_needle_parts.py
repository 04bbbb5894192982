"""Looking for a part of each needle finds what looking for each needle finds."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.livelog.needle_parts import NeedleParts

# Common letters and rare ones, so that parts begin anywhere, and few, so that needles share their parts.
LETTERS = st.sampled_from(["et", "eZ", "eeeeeZ", "e/Z\x00"])


@st.composite
def texts(draw: st.DrawFn, longest: int, shortest: int = 0) -> bytes:
    return draw(st.text(draw(LETTERS), min_size=shortest, max_size=longest)).encode()


@settings(max_examples=100, deadline=None)
@given(st.sets(texts(40, 4), min_size=1, max_size=30), st.lists(texts(30), max_size=4), st.data())
def test_all_needles_are_found_where_they_are(
    needles: set[bytes], between: list[bytes], data: st.DataObject
) -> None:
    some = st.sampled_from(sorted(needles))
    stream = b"".join(each + data.draw(some)[: data.draw(st.integers(0, 40))] for each in between)
    places = range(len(stream))
    want = {(each, at, at + len(each)) for each in needles for at in places if stream.startswith(each, at)}
    found = NeedleParts(needles).find(stream)
    assert len(found) == len(want)
    assert set(found) == want
    assert [behind for _, _, behind in found] == sorted(behind for _, _, behind in found)


def test_needles_that_share_their_rarest_part_are_all_found() -> None:
    needles = [b"%03d-QQQQQQQQQQQQQQQQQQQQ" % number for number in range(500)]
    parts = NeedleParts(needles)
    assert [found for found, _, _ in parts.find(b" ".join(needles))] == needles


def test_output_full_of_a_shared_part_takes_no_longer_than_other_output() -> None:
    parts = NeedleParts(b"%03d-QQQQQQQQQQQQQQQQQQQQ" % number for number in range(500))

    def seconds(output: bytes) -> float:
        start = time.process_time()
        assert not parts.find(output)
        return time.process_time() - start

    assert seconds(b"xxx-" + b"Q" * 400_000) < 50 * seconds(b"ordinary" * 50_000) + 0.1


@pytest.mark.parametrize("number", [10, 4000], ids=["the larger table", "the smaller table"])
def test_each_of_many_is_found(number: int) -> None:
    chance = random.Random(number)
    needles = [chance.randbytes(32) for _ in range(number)]
    parts = NeedleParts(needles)
    stream = chance.randbytes(5).join(needles)
    assert [found for found, _, _ in parts.find(stream)] == needles
