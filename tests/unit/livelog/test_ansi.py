"""Lines with escape sequences look as in a terminal, in classes."""

from __future__ import annotations

import time

import pytest

from sealock.livelog.ansi import MOST_SPANS, Ansi, plain
from sealock.livelog.ansi_style import CLASSES, PLAIN, Style, changed, classes, nearest

LINK = "\x1b]8;;{}\x1b\\text\x1b]8;;\x1b\\"


def html(text: str | bytes) -> str:
    return Ansi().html(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("1", "t-bold"),
        ("2", "t-dim"),
        ("3", "t-italic"),
        ("4", "t-underline"),
        ("4:3", "t-underline"),
        ("21", "t-underline"),
        ("7", "t-inverse"),
        ("9", "t-strike"),
        ("01;31", "t-bold t-fg-1"),
        ("30", "t-fg-0"),
        ("37;40", "t-fg-7 t-bg-0"),
        ("97;107", ""),  # white on white
        ("90;101", "t-fg-8 t-bg-9"),
        ("38;5;196", "t-fg-196"),
        ("48;5;21;1", "t-bold t-bg-21"),
        ("38:5:196", "t-fg-196"),
        ("38;2;255;0;0", "t-fg-196"),
        ("38:2:255:0:0", "t-fg-196"),
        ("38:2::255:0:0", "t-fg-196"),
        ("48;2;8;8;8", "t-bg-232"),
        ("58;5;196;1", "t-bold"),
        ("38;5;256", ""),
        ("38;5;-1", ""),
        ("38;5", ""),
        ("38;2;1;2", ""),
        ("38", ""),
        ("8", ""),  # what is concealed would be there and not be seen
        ("5", ""),
        ("999999999999", ""),
        ("1;0;3", "t-italic"),
        ("1;;3", "t-italic"),
        ("1;2;22", ""),
        ("3;4;7;9;23;24;27;29", ""),
        ("4;4:0", ""),
        ("31;39", ""),
        ("41;49", ""),
        (";".join(["1"] * 33), ""),  # longer than anything a tool prints
    ],
)
def test_a_sequence_sets_classes(parameters: str, expected: str) -> None:
    names = classes(changed(PLAIN, parameters))
    assert names == expected
    assert set(names.split()) <= set(CLASSES)


@pytest.mark.parametrize(
    ("colour", "number"),
    [
        ((0, 0, 0), 16),
        ((255, 255, 255), 231),
        ((95, 135, 175), 67),
        ((8, 8, 8), 232),
        ((238, 238, 238), 255),
        ((128, 128, 128), 244),
    ],
)
def test_true_colours_become_the_nearest_of_the_palette(colour: tuple[int, int, int], number: int) -> None:
    assert nearest(*colour) == number


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("10%\r20%\r100%", "100%"),
        ("abcdef\rxy", "xycdef"),
        ("windows\r", "windows"),
        ("working…\r\x1b[Kdone", "done"),
        ("working…\x1b[2K\rdone", "done"),
        ("working…\x1b[2Kdone", "done"),
        ("abc\x1b[Kdef", "abcdef"),
        ("abcdef\r\x1b[31mxy\x1b[Kz", "xyz"),
        ("abc\rx\x1b[1Ky", "xyc"),
        ("\x1b[?25l\x1b[1;1Htext\x1b[2J\x1b[3A", "text"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("\x1bPq#0;2;0\x1b\\text", "text"),
        ("\x1b_Ga=T;AAAA\x1b\\text\x1b^note\x1b\\", "text"),
        ("\x1b(B\x1b7te\x1b8xt\x1b=", "text"),
        ("text\x1b]0;has no end", "text"),
        ("text\x1bPhas no end", "text"),
        ("text\x1b[", "text"),
        ("text\x1b[12;", "text"),
        ("\x1b]0;\x1b]0;\x1b]8;;x\x07text", "text"),
        ("\x1b[\x1b[31mtext", "text"),
        ("te\x1b[31\x1b]0;x\x07xt", "text"),
        ("\x1b]52;c;cm0gLXJm\x07text", "text"),
        ("tab\tstays", "tab\tstays"),
        ("bell\x07", "bell␇"),
        ("a\bb\x00\x7f", "a␈b␀␡"),
        ("escape\x1b", "escape␛"),
        ("\x1b\x1b[1mtext", "␛text"),
        ("\x9b31mtext", "<U+009B>31mtext"),
        ("a\u202eb\u2066c\u200bd\ufeff\u00ad\u2028", "a<U+202E>b<U+2066>c<U+200B>d<U+FEFF><U+00AD><U+2028>"),
        ("\u3164\u115f\U000e0041\u034f", "<U+3164><U+115F><U+E0041><U+034F>"),
        ("✔️ ⚠️ 1️⃣ 👩‍💻 👍🏽 e\u0301", "✔️ ⚠️ 1️⃣ 👩‍💻 👍🏽 e\u0301"),
        ("a\ufe0fb\u200dc", "a<U+FE0F>b<U+200D>c"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + "<U+0301>" * 2),
        ("e" + "\x1b[1m\u0301" * 6, "e" + "\u0301" * 4 + "<U+0301>" * 2),
        ("שלום Привет 日本", "שלום Привет 日本"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_line(line: str, shown: str) -> None:
    assert plain(line.encode()) == shown


def test_bytes_that_are_not_utf_8_are_shown_by_their_numbers() -> None:
    assert plain(b"caf\xe9 \xc3\xa9 \xed\xa0\x80") == "caf<0xE9> é <0xED><0xA0><0x80>"


def test_what_was_written_over_or_cleared_is_told() -> None:
    assert Ansi().show(b"secret\rpublic").hidden
    assert Ansi().show(b"secret\r\x1b[K").hidden
    assert Ansi().show(b"secret\x1b[2K").hidden
    assert not Ansi().show(b"same\rsame\r\n"[:-1]).hidden
    assert not Ansi().show(b"\x1b[31mred\x1b[K").hidden


def test_a_look_holds_on_to_the_next_line_until_it_is_switched_off() -> None:
    ansi = Ansi()
    assert [ansi.html(line) for line in (b"a\x1b[31mb", b"c", b"d\x1b[me")] == [
        'a<span class="t-fg-1">b</span>',
        '<span class="t-fg-1">c</span>',
        '<span class="t-fg-1">d</span>e',
    ]


def test_lines_that_are_skipped_switch_as_well() -> None:
    ansi = Ansi()
    ansi.skip(b"\x1b[1;38;5;9mtitle\x1b]0;\x1b[3m")
    assert ansi.style == Style(9, None, frozenset({"bold", "italic"}))


def test_characters_written_over_keep_their_own_looks() -> None:
    assert html("\x1b[31mabcd\x1b[0m\rxy") == 'xy<span class="t-fg-1">cd</span>'


def test_signs_have_a_class_and_the_look_around_them() -> None:
    assert html("\x1b[1ma\x07") == '<span class="t-bold">a</span><span class="t-sign t-bold">␇</span>'


@pytest.mark.parametrize(
    "address",
    [
        "https://forge.example/a/b?c=d&e=f#L3",
        "http://127.0.0.1:8080/",
        "HTTPS://EXAMPLE.COM",
        "https://[2001:db8::1]:443/x",
    ],
)
def test_a_link_to_the_web_is_kept(address: str) -> None:
    escaped = address.replace("&", "&amp;")
    assert html(LINK.format(address) + " rest") == (
        f'<a class="t-link" href="{escaped}" rel="noopener noreferrer nofollow">text</a> rest'
    )


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript://example.com/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.com/",
        "/account/delete",
        "https:example.com",
        "https://",
        "https://good.example@evil.example/",
        "https://good.example\\@evil.example/",
        'https://example.com/" onclick="x',
        "https://example.com/ x",
        "https://example.com/\t",
        "https://ex\u0430mple.com/",  # with a Cyrillic letter
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_any_other_link_is_its_text_only(address: str) -> None:
    assert html(LINK.format(address)) == "text"


def test_a_link_ends_with_its_line_and_is_one_element_whatever_is_in_it() -> None:
    ansi = Ansi()
    assert ansi.html(b"\x1b]8;id=1;https://a.example\x07x\x1b[1my\x07") == (
        '<a class="t-link" href="https://a.example" rel="noopener noreferrer nofollow">x'
        '<span class="t-bold">y</span><span class="t-sign t-bold">␇</span></a>'
    )
    assert ansi.html(b"next") == '<span class="t-bold">next</span>'


def test_a_line_of_countless_looks_stays_small() -> None:
    line = b"".join(b"\x1b[1;2;3;4;7;9;%dma" % (30 + number % 8) for number in range(5000))
    shown = Ansi().html(line)
    assert shown.count("<span") == MOST_SPANS
    assert shown.endswith("a" * (5000 - MOST_SPANS))
    link = b"\x1b]8;;https://example.com/" + b"a" * 2000 + b"\x07" + b"a\xff" * 30_000
    assert len(Ansi().html(link)) < 1_000_000


def test_ordinary_lines_are_quick() -> None:
    """A hundred thousand a second is what a page needs; a tenth of it is what a busy host may leave."""
    lines = [b"2026-03-01T12:00:00Z INFO compiled \x1b[32mpassed\x1b[0m in \x1b[2m12 ms\x1b[22m"] * 10_000
    ansi = Ansi()
    begun = time.process_time()
    for line in lines:
        ansi.html(line)
    assert time.process_time() - begun < 1
