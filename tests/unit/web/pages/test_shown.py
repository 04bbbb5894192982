"""Text of strangers is shown with nothing hidden in it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from sealock.web.pages.frame import ENVIRONMENT
from sealock.web.pages.shown import coded, day, moment, put_out, since, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("main", "main"),
        ("müll/größe", "müll/größe"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u2066b\u2069", "a\\u2066b\\u2069"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("two\nlines\tand", "two\nlines\tand"),
        ("می\u200cروم", "می\u200cروم"),
    ],
)
def test_what_is_hidden_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(alphabet=st.characters(), max_size=200))
def test_no_text_of_a_stranger_hides_or_breaks_anything(text: str) -> None:
    html = ENVIRONMENT.from_string('<p title="{{ text }}">{{ text }}</p>').render(text=text)
    html.encode()
    inner = html.removeprefix('<p title="').removesuffix("</p>")
    assert not {"<", '"'} & set(inner.replace('">', "", 1))
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert not [sign for sign in html if unicodedata.category(sign) in bad and sign not in "\n\t\u200c\u200d"]


def test_what_is_ours_stays() -> None:
    assert put_out(Markup("<b>")) == "<b>" and put_out(3) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (59, "just now"), (61, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 days ago")],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert since(seconds) == words


def test_times_of_a_wrong_clock_make_no_page_fail() -> None:
    assert moment(0) == '<time datetime="1970-01-01T00:00:00Z">1970-01-01 00:00:00 UTC</time>'
    assert "9999-12-31" in moment(1e18) and "1970" in day(-1e18)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Run `a -b`, then `c`.", "Run <code>a -b</code>, then <code>c</code>."),
        ("an odd ` one <i>", "an odd ` one &lt;i&gt;"),
        ("`<b>` & \u202e<i>", "<code>&lt;b&gt;</code> &amp; \\u202e&lt;i&gt;"),
        ("", ""),
    ],
)
def test_code_in_a_sentence_is_set_as_code_and_markup_as_text(text: str, html: str) -> None:
    assert coded(text) == html
    assert coded(coded(text)) == html, "it is markup already"
