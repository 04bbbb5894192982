"""The colours of a log can be read on each other, and the style sheet is the one its script makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.log_colours import luminance, style_sheet
from sealock.livelog.ansi_style import CLASSES

STATIC = Path(__file__).parents[4] / "src/sealock/web/static"
RULE = re.compile(r"\.t-(fg|bg)-(\d+)\{--[fb]:light-dark\(#([0-9a-f]{6}),#([0-9a-f]{6})\)\}")


def shades(kind: str, theme: int) -> list[float]:
    """Luminances of a theme's colours: 0 light, 1 dark."""
    found = [rule for rule in RULE.findall((STATIC / "log-colours.css").read_text()) if rule[0] == kind]
    assert [int(rule[1]) for rule in found] == list(range(256))
    return [light(rule[2 + theme]) for rule in found]


def light(colour: str) -> float:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4))
    return luminance((red, green, blue))


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_the_style_sheet_is_the_one_the_script_makes() -> None:
    assert (STATIC / "log-colours.css").read_text() == style_sheet()


def test_every_look_there_is_has_a_rule() -> None:
    written = "".join((STATIC / name).read_text() for name in ("log-colours.css", "build.css"))
    assert not [name for name in CLASSES if not re.search(rf"\.{name}\b(?!-)", written)]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_colour_can_be_read_on_every_ground(theme: int) -> None:
    """Also exchanged, which is the same pair."""
    texts, grounds = shades("fg", theme), shades("bg", theme)
    least = min(contrast(text, ground) for text in texts for ground in grounds)
    assert least >= 4.5
