"""Characters that cannot be seen, and what is shown in their place.

A character that turns the direction of writing round, or takes no room, can make a line read as something
else than what stands in it. Each is shown by its number instead, so that what is read is what is there.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

# Emoji are often followed by U+FE0F and joined by U+200D, which is seen in how they look.
_EMOJI = "\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_SYMBOL = "\xa9\xae\u203c\u2049\u20e3\u2122\u2139" + _EMOJI
# Take no room or look like a blank, and are no format character by their category.
_BLANK = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2028\u2029\u2065\u3164\uffa0\ufe00-\ufe0d"
    "\ufff0-\ufff8\U000e0000-\U000e0fff"
)
_SURROGATE = "\ud800-\udfff"  # a byte that is not UTF-8, or none of its own
_LONGEST_STACK = 4  # characters above or below one letter; more grow over the lines beside it
_LAST = 0x20000  # above it are Chinese characters, and what `_BLANK` names


@cache
def unseen() -> str:
    """A pattern of one character that cannot be seen wherever it stands."""
    return rf"[\x00-\x08\x0a-\x1f\x7f-\x9f{_ranges({'Cf'}, but={0x200D})}{_BLANK}{_SURROGATE}]"


@cache
def misplaced() -> re.Pattern[str]:
    """One that is seen in how it changes its neighbour, and has none that it changes."""
    marks = _marks()
    return re.compile(
        rf"(?<![0-9#*{_SYMBOL}])[\ufe0e\ufe0f]"
        rf"|\u200d(?![{_EMOJI}])|(?<![{_EMOJI}])(?<![{_EMOJI}]\ufe0f)\u200d"
        rf"|(?<=[{marks}]{{{_LONGEST_STACK}}})[{marks}]"
    )


@cache
def in_need_of_care() -> re.Pattern[str]:
    """Finds something in every text that has a character which is or may be one of those."""
    return re.compile(rf"{unseen()[:-1]}\u200d\ufe0e\ufe0f{_marks()}]")


@cache
def _unseen() -> re.Pattern[str]:
    return re.compile(unseen())


def sign(character: str) -> str:
    """What is shown for it: `␇` for a control character, `<0xFF>` for a byte, `<U+202E>` for others."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xDC80 <= code <= 0xDCFF:
        return f"<0x{code - 0xDC00:02X}>"
    return f"<U+{code:04X}>"


def made_visible(text: str) -> str:
    """The text with a sign for each character that cannot be seen. It is one line."""
    text = misplaced().sub(lambda found: sign(found[0]), text)
    return _unseen().sub(lambda found: sign(found[0]), text)


def _marks() -> str:
    return _ranges({"Mn", "Me"}, but={0x20E3, *range(0xFE00, 0xFE10)})


def _ranges(categories: set[str], *, but: set[int]) -> str:
    """The characters of these categories, as ranges within the brackets of a pattern."""
    found: list[list[int]] = []
    for code in range(0xA0, _LAST):
        if unicodedata.category(chr(code)) not in categories or code in but:
            continue
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)
