"""The tokens of the design can be read in both themes, whoever changes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.log_colours import luminance

STATIC = Path(__file__).parents[4] / "src/sealock/web/static"
TOKEN = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")
GROUNDS = ("ground", "panel", "sunk")
TEXTS = ("text", "quiet", "link", "good-text", "bad-text", "running-text", "warn-text")
ON_OWN = (
    ("accent-text", "accent"),
    ("text", "bad-ground"),
    ("text", "good-ground"),
    ("text", "warn-ground"),
    ("log-text", "log-ground"),
    ("log-text", "log-marked"),
    ("log-text", "log-hit"),
    ("log-text", "log-heading"),
    ("log-quiet", "log-ground"),
    ("log-quiet", "log-marked"),
    ("log-quiet", "log-hit"),
    ("log-bad", "log-heading"),
    ("log-found-text", "log-found"),
)
SIGNS = ("good", "bad", "running", "warn", "still", "edge", "focus", "accent")
THEMES = pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])


def tokens(theme: int) -> dict[str, float]:
    """Luminance of each colour: theme 0 is light, 1 is dark."""
    found = TOKEN.findall((STATIC / "tokens.css").read_text())
    return {name: _light(colours[theme]) for name, *colours in found}


def _light(colour: str) -> float:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return luminance((red, green, blue))


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@THEMES
def test_every_text_can_be_read_on_every_ground(theme: int) -> None:
    found = tokens(theme)
    pairs = [*((text, ground) for text in TEXTS for ground in GROUNDS), *ON_OWN]
    faint = [pair for pair in pairs if contrast(found[pair[0]], found[pair[1]]) < 4.5]
    assert not faint


@THEMES
def test_every_sign_can_be_seen(theme: int) -> None:
    found = tokens(theme)
    faint = [(s, g) for s in SIGNS for g in GROUNDS if contrast(found[s], found[g]) < 3]
    assert not faint


def test_a_log_s_colours_are_read_on_the_log_s_ground() -> None:
    """`scripts/log_colours.py` works them out for grounds no darker, or no lighter, than these."""
    assert tokens(0)["log-ground"] >= 0.80
    assert tokens(1)["log-ground"] <= 0.03


def test_style_sheets_name_colours_by_tokens_alone() -> None:
    for name in ("base.css", "build.css"):
        told = re.findall(r"(?<![&\w])#[0-9a-fA-F]{3,8}\b(?!\s*\{)", (STATIC / name).read_text())
        assert not told, name


def test_every_token_that_is_used_is_there() -> None:
    there = set(re.findall(r"--([a-z0-9-]+)\s*:", "".join(p.read_text() for p in STATIC.glob("*.css"))))
    there |= {"f", "b", "depth"}
    used = {
        name for path in STATIC.glob("*.css") for name in re.findall(r"var\(--([a-z0-9-]+)", path.read_text())
    }
    assert used <= there
