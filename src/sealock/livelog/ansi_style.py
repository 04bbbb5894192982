"""How text in a log looks: colours and the like, as the classes of a style sheet.

A log is shown under a content security policy that forbids styles in the markup, so a look is a set of
class names out of a fixed table. Whatever a build prints, no other name and no colour of its own making
gets into a page: colours are numbers from 0 to 255, and true colours become the nearest of those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

ATTRIBUTES = ("bold", "dim", "italic", "underline", "inverse", "strike")

CLASSES = (
    *(f"t-{name}" for name in ATTRIBUTES),
    "t-link",  # an address the build printed as a link
    "t-sign",  # stands for a byte or character that cannot be seen, such as <U+202E> or ␛
    "t-found",  # what was searched for
    *(f"t-fg-{number}" for number in range(256)),
    *(f"t-bg-{number}" for number in range(256)),
)
"""Every class there is. 0 to 7 and 8 to 15 are the sixteen colours a theme chooses; from 16 on they are a
cube of 6·6·6 (16 + 36 red + 6 green + blue) and 24 greys. With `t-inverse` the style sheet exchanges the
colours that the other classes of the element set."""

LONGEST_PARAMETERS = 64
"""Characters of one sequence. Tools print twenty; a longer one changes nothing."""

_CUBE = (0, 95, 135, 175, 215, 255)
_ON = {"1": "bold", "2": "dim", "3": "italic", "4": "underline", "7": "inverse", "9": "strike"}
_ON |= {"21": "underline"}
_OFF = {"22": ("bold", "dim"), "23": ("italic",), "24": ("underline",), "27": ("inverse",), "29": ("strike",)}
_OFF |= {"4:0": ("underline",)}
_NUMBER = re.compile(r"[0-9]{1,3}")


class Style(NamedTuple):
    """fg, bg: colours from 0 to 255, None for the theme's own. attributes: of `ATTRIBUTES`."""

    fg: int | None = None
    bg: int | None = None
    attributes: frozenset[str] = frozenset()


PLAIN = Style()


@lru_cache(maxsize=4096)
def classes(style: Style) -> str:
    """The classes with blanks between them, in the table's order.

    Text in the colour of its background would be there and not be seen, so then neither is set.
    """
    names = [f"t-{name}" for name in ATTRIBUTES if name in style.attributes]
    if style.fg != style.bg:
        names += [f"t-fg-{style.fg}"] if style.fg is not None else []
        names += [f"t-bg-{style.bg}"] if style.bg is not None else []
    return " ".join(names)


def changed(style: Style, parameters: str) -> Style:
    """The style after `ESC [ parameters m`. What is unknown in it, or out of range, changes nothing; nor
    does concealing, so that text that is there is seen."""
    return style if len(parameters) > LONGEST_PARAMETERS else _changed(style, parameters)


@lru_cache(maxsize=4096)
def _changed(style: Style, parameters: str) -> Style:
    codes = iter(parameters.split(";"))
    for code in codes:
        style = _one(style, code, codes)
    return style


def _one(style: Style, code: str, more: Iterator[str]) -> Style:
    code = code.lstrip("0")
    if not code:
        return PLAIN
    if code in _ON or re.fullmatch("4:[1-5]", code):
        return style._replace(attributes=style.attributes | {_ON[code[:1] if ":" in code else code]})
    if code in _OFF:
        return style._replace(attributes=style.attributes - {*_OFF[code]})
    return _coloured(style, code, more)


def _coloured(style: Style, code: str, more: Iterator[str]) -> Style:
    kind, _, inner = code.partition(":")
    if kind in {"38", "48", "58"}:
        colour = _in_one_code(inner) if inner else _in_several_codes(more)
        if colour is None or kind == "58":  # the colour of an underline is not shown
            return style
        return style._replace(fg=colour) if kind == "38" else style._replace(bg=colour)
    if code in {"39", "49"}:
        return style._replace(fg=None) if code == "39" else style._replace(bg=None)
    number = int(code) if _NUMBER.fullmatch(code) else 0
    for begin, bright in ((30, 0), (90, 8)):
        if begin <= number < begin + 8:
            return style._replace(fg=number - begin + bright)
        if begin + 10 <= number < begin + 18:
            return style._replace(bg=number - begin - 10 + bright)
    return style


def _in_one_code(inner: str) -> int | None:
    """`5:n`, `2:r:g:b` or `2:space:r:g:b`."""
    form, *rest = inner.split(":")
    if form == "2" and len(rest) >= 4:
        rest = rest[1:]
    return _colour(form, iter(rest).__next__)


def _in_several_codes(more: Iterator[str]) -> int | None:
    """`5;n` or `2;r;g;b`, of which each takes as many codes as belong to it."""
    return _colour(next(more, ""), more.__next__)


def _colour(form: str, take: Callable[[], str]) -> int | None:
    try:
        if form == "5":
            return _byte(take())
        if form == "2":
            return nearest(*[_byte(text) for text in (take(), take(), take())])
    except (StopIteration, ValueError):
        pass
    return None


def _byte(text: str) -> int:
    """A number from 0 to 255; nothing is 0."""
    if text and not _NUMBER.fullmatch(text):
        raise ValueError("no number")
    number = int(text or "0")
    if number > 255:
        raise ValueError("out of range")
    return number


def nearest(red: int, green: int, blue: int) -> int:
    """The colour from 16 to 255 that is nearest to this one."""
    levels = [min(range(6), key=lambda level: abs(_CUBE[level] - part)) for part in (red, green, blue)]
    step = max(0, min(23, round(((red + green + blue) / 3 - 8) / 10)))
    grey = 8 + 10 * step
    wanted = (red, green, blue)
    of_cube = sum((_CUBE[level] - part) ** 2 for level, part in zip(levels, wanted, strict=True))
    of_grey = sum((grey - part) ** 2 for part in wanted)
    return 16 + 36 * levels[0] + 6 * levels[1] + levels[2] if of_cube <= of_grey else 232 + step
