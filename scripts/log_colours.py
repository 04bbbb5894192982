"""Makes static/log-colours.css: how the 256 colours a build may print look, in the light theme and the dark.

    python -m scripts.log_colours > src/sealock/web/static/log-colours.css

A terminal's own colours cannot be read on every ground. So a colour that is text keeps its hue and is made
light (or dark) enough, and one that is a ground is made faint, until every colour can be read on every
ground: 4.5 to 1, as WCAG asks. `t-inverse` exchanges the two, which has the same contrast.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

Rgb = tuple[float, float, float]

CONTRAST = 4.6
"""To one; a little more than is asked for, since colours are rounded."""

SIXTEEN = [
    "#1c1c1c",
    "#c01c28",
    "#26a269",
    "#a2734c",
    "#2a5bd0",
    "#a347ba",
    "#2aa1b3",
    "#d0cfcc",
    "#5e5c64",
    "#f66151",
    "#33d17a",
    "#e9ad0c",
    "#4a86f0",
    "#c061cb",
    "#33c7de",
    "#ffffff",
]
"""The sixteen that a theme chooses."""

GROUND = {"light": 0.80, "dark": 0.03}
"""Luminance: of no ground less in the light theme, of none more in the dark."""


def colour(number: int) -> Rgb:
    """As a terminal has it: parts from 0 to 1."""
    if number < 16:
        return _parts(SIXTEEN[number])
    if number >= 232:
        grey = (8 + 10 * (number - 232)) / 255
        return grey, grey, grey
    steps = [(number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6]
    red, green, blue = ((0, 95, 135, 175, 215, 255)[step] / 255 for step in steps)
    return red, green, blue


def luminance(parts: Rgb) -> float:
    """As WCAG has it, from 0 to 1."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def text(number: int, theme: str) -> str:
    """The colour as text."""
    if theme == "light":
        most = (GROUND["light"] + 0.05) / CONTRAST - 0.05
        return _changed(colour(number), lambda parts: luminance(parts) <= most, -1)
    least = (GROUND["dark"] + 0.05) * CONTRAST - 0.05
    return _changed(colour(number), lambda parts: luminance(parts) >= least, 1)


def ground(number: int, theme: str) -> str:
    """The colour behind text."""
    if theme == "light":
        return _changed(colour(number), lambda parts: luminance(parts) >= GROUND["light"], 1)
    return _changed(colour(number), lambda parts: luminance(parts) <= GROUND["dark"], -1)


def style_sheet() -> str:
    """All of it. `light-dark()` chooses by the page's `color-scheme`."""
    rules = ["/* Made by scripts/log_colours.py */"]
    for number in range(256):
        rules.append(f".t-fg-{number}{{--f:light-dark({text(number, 'light')},{text(number, 'dark')})}}")
        rules.append(f".t-bg-{number}{{--b:light-dark({ground(number, 'light')},{ground(number, 'dark')})}}")
    return "\n".join(rules) + "\n"


def _changed(parts: Rgb, enough: Callable[[Rgb], bool], direction: int) -> str:
    """The colour itself if it is enough, else made lighter (1) or darker (-1) step by step."""
    hue, light, full = colorsys.rgb_to_hls(*parts)
    while not enough(_rounded(parts)):
        light = min(1.0, max(0.0, light + direction * 0.004))
        parts = colorsys.hls_to_rgb(hue, light, full)
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)


def _rounded(parts: Rgb) -> Rgb:
    red, green, blue = (round(part * 255) / 255 for part in parts)
    return red, green, blue


def _parts(written: str) -> Rgb:
    red, green, blue = (int(written[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


if __name__ == "__main__":
    print(style_sheet(), end="")
