"""A build prints what it likes. Nothing of it may become more than text on our page, or lie about itself."""

from __future__ import annotations

import re
import time
import tracemalloc
import unicodedata
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.log import LONGEST_LINE
from sealock.livelog.ansi import Ansi
from sealock.livelog.ansi_signs import made_visible
from sealock.livelog.ansi_style import CLASSES

# Nothing but these, letter by letter: what another parser makes of them is what we make of them.
ELEMENT = re.compile(
    r'<span class="(?P<span>[a-z0-9 -]+)">|</span>|</a>'
    r'|<a class="t-link" href="(?P<href>[^"<>\s\\`\']+)" rel="noopener noreferrer nofollow">'
)
FRAGMENTS = [
    b"\x1b", b"[", b"]", b"\x1b[", b"\x1b]8;;", b"https://a.example/", b"javascript:alert(1)", b"\x07",
    b"\x1b\\", b"m", b"31", b";", b":", b"38;2;1;2;3", b"K", b"2K", b"\r", b"\n"[:0], b"<", b">", b'"', b"'",
    b"&", b"&lt;", b"<script>", b"</span>", b"</a>", b" onclick=", b"\x1bP", b"\x1b_", b"\x1bX", b"\x18",
    b"\xc2\x9b", b"\x9b", b"\x9d", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xe2\x80\x8b", b"\xef\xb8\x8f",
    b"\xe2\x80\x8d", b"\xcc\x81", b"\xcc\x81\xcc\x81\xcc\x81\xcc\x81", b"\xf0\x9f\x91\xa9", b"e", b"#",
    b"\xf3\xa0\x81\x81", b"\xed\xa0\x80", b"\xff", b"\x00", b"\x08", b"text", b"0", b"1",
]  # fmt: skip
OUTPUT = st.one_of(
    st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"")),
    st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(b"".join),
    st.text(max_size=100).map(lambda text: text.encode(errors="surrogatepass").replace(b"\n", b"")),
)


class Reading(HTMLParser):
    """What a lenient parser makes of the markup."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("a declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("an instruction")


def check(data: bytes) -> str:
    """Holds the line's HTML to the rules; returns the text in it."""
    shown, html = Ansi().show(data), Ansi().html(data)
    between = ELEMENT.sub("", html)
    assert not re.search("[<>\"']", between)
    for found in ELEMENT.finditer(html):
        assert set((found["span"] or "").split()) <= set(CLASSES)
        assert re.match("https?://", unescape(found["href"] or "http://"), re.IGNORECASE)
    reading = Reading()
    reading.feed(html)
    reading.close()
    assert not reading.open
    assert {tag for tag, _ in reading.elements} <= {"span", "a"}
    assert all(set(attributes) <= {"class", "href", "rel"} for _, attributes in reading.elements)
    assert reading.text == unescape(between) == shown.text
    assert shown.html == html or re.sub("<[^>]*>", "", shown.html) == between
    return shown.text


def unseen(text: str) -> list[str]:
    """Characters that take no room, turn the direction round or control something."""
    return [
        each for each in text
        if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and each not in "\t\u200d"
    ]  # fmt: skip


@given(OUTPUT)
@settings(max_examples=1500, deadline=None)
def test_whatever_is_printed_is_text_in_two_kinds_of_elements(data: bytes) -> None:
    check(data)


@given(OUTPUT)
@settings(max_examples=1500, deadline=None)
def test_whatever_is_printed_nothing_of_it_is_unseen(data: bytes) -> None:
    text = Ansi().show(data).text
    assert not unseen(text)
    assert made_visible(text) == text
    assert not re.search("\u0301{5}", text)


@given(st.lists(OUTPUT, max_size=8))
@settings(max_examples=300, deadline=None)
def test_every_way_of_reading_lines_comes_to_the_same(lines: list[bytes]) -> None:
    shown, quick, skipped = Ansi(), Ansi(), Ansi()
    for line in lines:
        text = shown.show(line).text
        assert unescape(re.sub("<[^>]*>", "", quick.html(line))) == text
        skipped.skip(line)
        assert shown.style == quick.style == skipped.style


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters="\n"), max_size=80))
@settings(deadline=None)
def test_ordinary_text_of_any_script_stays_as_it_is(text: str) -> None:
    if not re.search("[\u115f\u1160\u3164\uffa0]", text):  # letters that cannot be seen
        assert Ansi().show(text.encode()).text == text


@pytest.mark.parametrize(
    "data",
    [
        b'<img src=x onerror="alert(1)">',
        b"\x1b[31m<script>alert(1)</script>",
        b"\x1b]8;;https://a.example/\"onmouseover='alert(1)\x07text\x1b]8;;\x07",
        b"\x1b]8;;https://a.example/<script>\x07text",
        b"\x1b]8;;https://a.example/&quot;onclick=x\x07text",
        b"\x1b]8;;https://a.example\x07</a><script>",
        b"\x1b[31\"onclick=alert(1)m",
        b"\x1b[<script>m",
        b"<\x1b[0mscript\x1b[0m>",
        b"&\x1b[0mlt;script&gt;",
        b"\x1b]8;;https://a.example\x07\x1b]8;;https://b.example\x07\x1b]8;;\x07",
        b"<!-- \x1b[1m --> <![CDATA[ ]]> <?xml ?>",
        b"\x00<\x00script>",
        b"+ADw-script+AD4-",
        b"\xc0\xbcscript\xc0\xbe",
    ],
)  # fmt: skip
def test_markup_in_output_is_text(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize(
    "address",
    [
        b"javascript://a.example/%0aalert(1)",
        b"data://a.example/text",
        b"https://a.example/'onclick='x",
        b"https://a.example/<b>",
        b"https://a.example/\\b",
        b"https://good.example:443@a.example/",
        b"//a.example/",
        b"/b",
    ],
)
def test_an_address_that_is_more_or_less_than_one_is_no_link(address: bytes) -> None:
    assert Ansi().html(b"\x1b]8;;" + address + b"\x07text") == "text"


def test_a_link_that_is_opened_within_another_ends_it() -> None:
    html = Ansi().html(b"\x1b]8;;https://a.example\x07one\x1b]8;;https://b.example\x07two")
    assert re.findall('href="([^"]*)">?', html) == ["https://a.example", "https://b.example"]
    assert html.index("</a>") < html.index("https://b.example")


def test_text_in_the_colour_of_its_background_is_seen() -> None:
    for codes in (b"30;40", b"38;5;9;101", b"38;2;1;1;1;48;2;2;2;2", b"7;30;40", b"8"):
        html = Ansi().html(b"\x1b[" + codes + b"mtext")
        assert "t-fg" not in html
        assert "t-bg" not in html
        assert "text" in html


PATHOLOGICAL: dict[str, Callable[[int], bytes]] = {
    "escapes": lambda size: b"\x1b" * size,
    "sequences that do not end": lambda size: b"\x1b[" * (size // 2),
    "parameters without an end": lambda size: b"\x1b[" + b"1;" * (size // 2),
    "parameters with a wrong end": lambda size: (b"\x1b[" + b"1" * 60 + b"\x01") * (size // 63),
    "strings that do not end": lambda size: b"\x1b]" * (size // 2),
    "strings of another kind": lambda size: b"\x1bP\x1b_\x1b^\x1bX" * (size // 8),
    "links that do not end": lambda size: b"\x1b]8;;https://a.example/" * (size // 22),
    "one long link": lambda size: b"\x1b]8;;https://" + b"a." * (size // 2) + b"\x07",
    "links of one letter": lambda size: b"\x1b]8;;http://a\x07x" * (size // 15),
    "intermediate bytes": lambda size: b"\x1b" + b" " * size,
    "intermediate bytes and escapes": lambda size: b"\x1b( ( \x1b" * (size // 6),
    "carriage returns": lambda size: b"\r" * (size - 1) + b"x",
    "a long line written over by letters": lambda size: b"x" * (size // 2) + b"\ry" * (size // 4),
    "a long line cleared again and again": lambda size: b"x" * (size // 2) + b"\r\x1b[Ky" * (size // 10),
    "all of it cleared again and again": lambda size: b"x" * (size // 2) + b"\x1b[2K\x1b[1Ky" * (size // 18),
    "a new colour for each letter": lambda size: b"".join(
        b"\x1b[38;2;%d;%d;%dmx" % (n & 255, n >> 8 & 255, n * 7 & 255) for n in range(size // 20)
    ),
    "characters upon one another": lambda size: b"e" + b"\xcc\x81" * (size // 2),
    "emoji joined for ever": lambda size: b"\xf0\x9f\x91\xa9\xe2\x80\x8d" * (size // 7),
    "joiners only": lambda size: b"\xe2\x80\x8d\xef\xb8\x8f" * (size // 6),
    "bytes that are not UTF-8": lambda size: b"\xff" * size,
    "markup": lambda size: b'<"' * (size // 2),
}  # fmt: skip


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_line_takes_longer_than_its_length(name: str) -> None:
    """Eight times the length may take 40 times as long on a busy host; a square would be 64 times."""
    make = PATHOLOGICAL[name]
    short, long = (quickest(make(size)) for size in (LONGEST_LINE // 8, LONGEST_LINE))
    assert long < max(40 * short, 0.02)


def quickest(data: bytes) -> float:
    times = []
    for _ in range(3):
        ansi, begun = Ansi(), time.process_time()
        html = ansi.html(data)
        times.append(time.process_time() - begun)
        assert len(html) < 16 * LONGEST_LINE + 200_000
    return min(times)


def test_countless_different_sequences_fill_no_memory() -> None:
    """What is remembered of sequences is bounded in number and in length."""
    ansi = Ansi()
    tracemalloc.start()
    try:
        for number in range(20_000):
            ansi.html(b"\x1b[38;2;%d;%d;%dmx" % (number & 255, number >> 8, 7))
            if number % 10 == 0:
                ansi.html(b"\x1b[" + b"0" * 5000 + b";%dmx" % number)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 5_000_000
