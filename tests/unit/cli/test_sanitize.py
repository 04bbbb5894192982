"""What a guest prints reaches the terminal as text and colours, and as nothing else."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.cli.sanitize import RESET, Sanitizer, printable

HARMFUL = {
    "window title": b"\x1b]0;owned\x07",
    "clipboard": b"\x1b]52;c;ZWNobyBvd25lZA==\x1b\\",
    "hyperlink": b"\x1b]8;;https://example.com\x1b\\",
    "device control": b'\x1bP$q"p\x1b\\',
    "application command": b"\x1b_Gf=100;AAAA\x1b\\",
    "cursor up": b"\x1b[5A",
    "erase the screen": b"\x1b[2J",
    "another screen": b"\x1b[?1049h",
    "a question the terminal answers": b"\x1b[6n",
    "key modifiers, which end like a colour": b"\x1b[>4;1m",
    "full reset": b"\x1bc",
    "character set": b"\x1b(0",
    "soft reset with an intermediate": b"\x1b[!p",
    "cursor up in one C1 byte": "\x9b5A".encode(),
    "title in one C1 byte": "\x9d0;owned\x9c".encode(),
    "bell": b"\x07",
    "backspace": b"\x08\x08\x08",
    "delete": b"\x7f",
    "shift out": b"\x0e",
    "vertical tab": b"\x0b",
}


def cleaned(*pieces: bytes, colour: bool = True) -> str:
    sanitizer = Sanitizer(colour=colour)
    return "".join(sanitizer.feed(piece) for piece in pieces) + sanitizer.finish()


@pytest.mark.parametrize("sequence", HARMFUL.values(), ids=HARMFUL.keys())
def test_a_harmful_sequence_is_taken_out_however_it_is_cut(sequence: bytes) -> None:
    whole = b"before" + sequence + b"after\n"
    assert cleaned(whole) == "beforeafter\n"
    for cut in range(len(whole)):
        assert cleaned(whole[:cut], whole[cut:]) == "beforeafter\n"
    assert cleaned(*(bytes([byte]) for byte in whole)) == "beforeafter\n"


def test_colours_pass_and_end_with_the_output() -> None:
    assert cleaned(b"\x1b[1;31mred") == "\x1b[1;31mred" + RESET
    assert cleaned(b"\x1b[38:2::1:2:3mx\x1b", b"[0m") == "\x1b[38:2::1:2:3mx\x1b[0m" + RESET


def test_colours_are_taken_out_where_nobody_sees_them() -> None:
    assert cleaned(b"\x1b[1;31mred\x1b[0m\n", colour=False) == "red\n"


def test_text_tabs_and_line_ends_stay() -> None:
    assert cleaned("a\tb\nžluťoučký 🐎\n".encode()) == "a\tb\nžluťoučký 🐎\n"


def test_carriage_returns_become_line_ends() -> None:
    assert cleaned(b"10%\r20%\r", b"\nend") == "10%\n20%\nend"


def test_invalid_utf8_is_replaced_and_split_characters_are_joined() -> None:
    assert cleaned(b"\xff\xfe!") == "\ufffd\ufffd!"
    assert cleaned(b"\xf0\x9f", b"\x90\x8e") == "🐎"
    assert cleaned(b"\xf0\x9f") == "\ufffd"


def test_a_sequence_without_an_end_hides_nothing() -> None:
    assert "the failure" in cleaned(b"\x1b]0;x\n", b"the failure\n")
    assert "the failure" in cleaned(b"\x1b]" + b"x" * 5000, b"the failure\n")
    assert "the failure" in cleaned(b"\x1b[" + b"0" * 100, b"the failure\n")
    assert "the failure" in cleaned(b"\x1bP", b"\x1b[31mthe failure\n")


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_nothing_but_text_and_colours_comes_out_of_any_bytes(pieces: list[bytes]) -> None:
    out = re.sub(r"\x1b\[[0-9;:]*m", "", cleaned(*pieces))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", out)


@given(st.lists(st.sampled_from([*HARMFUL.values(), b"text", b"\x1b", b"\x1b[", b"\x9b", b"\r"])))
def test_cutting_makes_no_difference(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    assert cleaned(whole) == cleaned(*(bytes([byte]) for byte in whole))


@pytest.mark.parametrize("unit", [b"\x1b", b"\x1b]", "\x90".encode(), b"\x1b[", b"\x1b[1", b"\r", b"x\n"])
def test_a_flood_made_to_be_slow_is_not(unit: bytes) -> None:
    began = time.process_time()  # other tests run beside this one
    cleaned(unit * (200_000 // len(unit)))
    assert time.process_time() - began < 2


def test_a_line_from_elsewhere_stays_one_line() -> None:
    assert printable("a\x1b[2J\r\nb\x1b]0;t\x07 c") == "a b c"
