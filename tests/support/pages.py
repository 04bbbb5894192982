"""What a test reads off a page: its elements, as a browser would find them."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

ADDRESSES = (
    "href",
    "src",
    "action",
    "data-part",
    "data-live",
    "formaction",
    "poster",
    "data-icon",
    "data-url",
)


class Page(HTMLParser):
    """elements: each start tag with its attributes. text: all that is read, without markup."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every such element."""
        return [attributes for name, attributes in self.elements if name == tag]

    def addresses(self) -> Iterator[str]:
        """Every address that the page has something fetched from, or leads to."""
        for _, attributes in self.elements:
            yield from (attributes[name] for name in ADDRESSES if name in attributes)

    def by_id(self, identity: str) -> dict[str, str] | None:
        """The attributes of the element of that id."""
        return next((one for _, one in self.elements if one.get("id") == identity), None)
