"""Lines as rows: what a line holds stands in its place, and nothing leaves it."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from sealock.core.log_pages import LogLine
from sealock.livelog.ansi import Ansi
from sealock.web.pages.log_rows import row, rows


class Elements(HTMLParser):
    """Names and attributes of what is there, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_a_row_has_its_number_its_address_and_its_times() -> None:
    html = str(row(LogLine(120, "hello", 1_000_005.312), 1_000_000.0))
    (line, number, text) = Elements(html).found
    assert line[1] | {"data-n": "120", "id": "L120", "data-r": "0:05.312"} == line[1]
    assert line[1]["data-a"] == "1970-01-12T13:46:45.312Z"
    assert number == ("a", {"class": "n", "href": "#L120", "tabindex": "-1"})
    assert text == ("span", {"class": "x"})


def test_what_is_left_out_of_a_line_is_said() -> None:
    html = str(row(LogLine(1, "x", 0, cut=True, hidden=True), 0))
    assert "the line goes on" in html and "written over" in html


def test_rows_are_one_a_line_and_may_have_a_page_before_their_address() -> None:
    html = str(rows([LogLine(1, "a", 0), LogLine(2, "b", 0)], 0, link="/builds/x/log?page=1"))
    assert html.count("\n") == 1 and 'href="/builds/x/log?page=1#L2"' in html


@given(st.binary(max_size=300))
def test_whatever_a_build_prints_a_row_has_the_elements_of_a_row(data: bytes) -> None:
    html = str(row(LogLine(1, Ansi().html(data.replace(b"\n", b"")), 0), 0))
    found = Elements(html).found
    assert {tag for tag, _ in found} <= {"div", "a", "span"}
    assert [tag for tag, _ in found][:3] == ["div", "a", "span"]
    for _, attributes in found:
        assert set(attributes) <= {
            "class",
            "id",
            "href",
            "tabindex",
            "rel",
            "title",
            "data-n",
            "data-r",
            "data-a",
        }
