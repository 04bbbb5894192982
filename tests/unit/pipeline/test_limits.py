"""A file made to exhaust whoever reads it is refused, and quickly: size, depth, aliases, encoding."""

from __future__ import annotations

import time

import pytest

from sealock.core.errors import ConfigError
from sealock.pipeline import tree
from sealock.pipeline.configuration import read
from sealock.pipeline.decode import MAXIMUM_BYTES

# In processor time, of which a loaded machine does not take more. The slowest takes a tenth of it.
SECONDS = 5.0


def refused(text: bytes) -> str:
    started = time.process_time()
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert time.process_time() - started < SECONDS
    return caught.value.brief


def test_a_file_is_read_up_to_256_kib() -> None:
    frame = b"test: a\n#"
    assert read(frame + b"x" * (MAXIMUM_BYTES - len(frame))).image == "python"
    assert refused(frame + b"x" * (MAXIMUM_BYTES - len(frame) + 1)) == (
        "sealock.yml:1:1: the file has 262145 bytes; 262144 are allowed"
    )


def test_nesting_is_read_up_to_32_levels() -> None:
    # The document's own mapping is the first level.
    assert ": x: unknown field" in refused(b"test: a\nx: " + b"[" * 31 + b"]" * 31)
    assert refused(b"test: a\nx: " + b"[" * 32 + b"]" * 32) == (
        "sealock.yml:2:35: nested deeper than 32 levels"
    )


@pytest.mark.parametrize("piece", ["[", "{a: ", "- ", "? ", "a:\n "])
def test_deep_nesting_ends_at_the_limit_and_not_in_the_interpreter(piece: str) -> None:
    text = piece * (MAXIMUM_BYTES // len(piece))
    if piece == "a:\n ":
        text = "".join(" " * level + "a:\n" for level in range(700))
    assert "nested deeper than 32 levels" in refused(text.encode())


def test_an_alias_bomb_is_counted_by_what_it_stands_for() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 7)]
    assert refused("\n".join([*lines, "test: *a6"]).encode()) == (
        "sealock.yml:4:45: the file stands for more than 10000 values"
    )


def test_an_alias_bomb_of_long_text_is_counted_too() -> None:
    bomb = b"environment:\n  A: &a " + b"x" * 100_000 + b"\n"
    bomb += b"".join(b"  A%d: *a\n" % number for number in range(60)) + b"test: a\n"
    assert "stands for more than 10000 values" in refused(bomb)


def test_aliases_cannot_be_stacked_into_depth() -> None:
    lines = ["a0: &a0 " + "[" * 20 + "]" * 20, "a1: &a1 " + "[" * 20 + "*a0" + "]" * 20]
    assert refused("\n".join(lines).encode()) == "sealock.yml:2:29: nested deeper than 32 levels"


def test_a_few_aliases_are_fine_and_many_are_not() -> None:
    few = b"setup: &all [a, b]\ntest: *all\n"
    assert read(few).setup == read(few).test["test"].commands == ("a", "b")
    many = b"setup: [&a x" + b", *a" * (tree.MAXIMUM_ALIASES + 1) + b"]\ntest: a\n"
    assert "more than 64 aliases" in refused(many)
    assert len(read(many.replace(b", *a", b"", 1)).setup) == 65


def test_a_merge_bomb_is_refused_for_its_merge_keys() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{level}: &a{level} {{<<: [*a{level - 1}, *a{level - 1}]}}" for level in range(1, 20)]
    assert refused("\n".join([*lines, "test: a"]).encode()) == (
        "sealock.yml:2:10: merge keys (`<<`) are not supported"
    )


def test_many_values_without_aliases_are_counted() -> None:
    assert "stands for more than 10000 values" in refused(b"test:\n" + b"- a\n" * 10_001)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"test: a\nimage: \xff\n", "2:8: byte 0xff is not UTF-8 text"),
        (b"test: caf\xe9\n", "1:10: byte 0xe9 is not UTF-8 text"),
        ("test: é".encode() + b"\xc3", "1:8: byte 0xc3 is not UTF-8 text"),
        (b"test: \xed\xa0\x80\n", "1:7: byte 0xed is not UTF-8 text"),
        ("test: a\n".encode("utf-16"), "1:1: byte 0xff is not UTF-8 text"),
        ("test: a\n".encode("utf-16-le"), "1:2: the character U+0000 is not allowed in this file"),
        (b"test: a\0b\n", "1:8: the character U+0000 is not allowed in this file"),
        (b"test: a\n# \x1b[31m\n", "2:3: the character U+001B is not allowed in this file"),
        (b"test: a\r\n\r\n\x07", "3:1: the character U+0007 is not allowed in this file"),
        (b"\xef\xbb\xbf\x7f", "1:1: the character U+007F is not allowed in this file"),
    ],
)
def test_text_that_is_none_is_refused_where_it_stands(text: bytes, message: str) -> None:
    assert refused(text) == f"sealock.yml:{message}"


def test_many_mistakes_are_told_quickly() -> None:
    assert "unknown field" in refused(b"test: a\n" + b"".join(b"tst%d: x\n" % n for n in range(4900)))


def test_the_environment_is_at_most_64_kib() -> None:
    variables = b"".join(b"  A%d: %s\n" % (number, b"x" * 1000) for number in range(70))
    assert refused(b"environment:\n" + variables + b"test: a\n") == (
        "sealock.yml:2:3: environment: takes 70340 bytes; 65536 are allowed"
    )
