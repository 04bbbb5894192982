"""Forms of the pages: read, told what is wrong beside each field, answered by going elsewhere.

A form is sent as `application/x-www-form-urlencoded`, which a browser does without a script. What else comes
is refused: a form of ours is never anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request
from starlette.responses import RedirectResponse, Response

from sealock.core.errors import UsageError
from sealock.web.problems import sentence

MOST_FIELDS = 500
KIND = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form(Mapping[str, str]):
    """What was sent. As a mapping each field has its first value; `all` has every one."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> str:
        for each, value in self.pairs:
            if each == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, such as of several boxes that are ticked."""
        return tuple(value for each, value in self.pairs if each == name)

    def text(self, name: str) -> str:
        """A field without white space around it; `` if it was not sent."""
        return self.get(name, "").strip()

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.get(name) == "yes"

    def words(self, name: str) -> tuple[str, ...]:
        """What stands in a field, one a line or separated by commas."""
        return tuple(word for line in self.get(name, "").split("\n") for word in _between(line, ","))

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a field that have something in them."""
        return tuple(_between(self.get(name, ""), "\n"))


@dataclass
class Faults:
    """What is wrong with a form: by field, `` for all of it."""

    found: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, name: str, why: str) -> None:
        """This field is wrong; the first thing said about one stays."""
        self.found.setdefault(name, why)

    def number(self, form: Form, name: str, low: int, high: int) -> int | None:
        """A whole number within bounds; None, and a fault, for anything else."""
        text = form.text(name)
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 12 and low <= int(text) <= high:
            return int(text)
        self.add(name, f"A whole number from {low} to {high} is needed.")
        return None

    @contextmanager
    def naming(self, name: str) -> Iterator[None]:
        """A UsageError of the block is this field's fault."""
        try:
            yield
        except UsageError as error:
            self.add(name, sentence(error))


async def read_form(request: Request) -> Form:
    """The form that was sent. 415 for another kind of body, 400 for one that is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if not body:
        return Form()
    if kind != KIND:
        raise HTTPException(415, f"A form is sent as {KIND}.")
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise HTTPException(400, "This is not a form.") from error
    # Browsers end the lines of a field with two characters.
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))


def see_other(path: str) -> Response:
    """Go there, after a form has been taken. path: of ours."""
    return RedirectResponse(path, 303)


def _between(text: str, separator: str) -> Iterator[str]:
    return (part.strip() for part in text.split(separator) if part.strip())
