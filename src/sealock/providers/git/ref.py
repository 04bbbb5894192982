"""Reads the name of a branch, a tag or a commit by the rules of git-check-ref-format, and no others.

The name becomes an argument of git in the guest and a part of a refspec. What Git would take for an
option, an expression (`HEAD~1`, `main^{tree}`) or a pattern is refused.
"""

from __future__ import annotations

import re

from sealock.core.errors import UsageError

LONGEST = 250
"""Bytes in UTF-8 of a name, without `refs/heads/` or `refs/tags/`: longer ones fit into no file name."""

_KINDS = re.compile(r"\Arefs/(?:heads|tags)/")

_COMMIT = re.compile(r"(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")


def check_ref(text: str) -> str:
    """The ref as it was given; a whole commit (40 or 64 hexadecimal digits) in small letters.

    UsageError if it is none.
    """
    if _COMMIT.fullmatch(text):
        return text.lower()
    why = _what_is_wrong(text)
    if why:
        raise UsageError(
            f"{text[:200]!r} is no ref: {why}",
            resolution="Give the name of a branch or a tag, or all 40 or 64 digits of a commit.",
        )
    return text


def _what_is_wrong(text: str) -> str:
    """A few words, or nothing."""
    rules = (
        (not text, "it is empty"),
        (text.startswith("-"), "it begins with `-`, as options do"),
        (not text.isprintable(), "it holds a character that cannot be printed"),
        (bool(re.search(r"[ ~^:?*\[\\]", text)), "it holds one of: space ~ ^ : ? * [ \\"),
        (".." in text or "@{" in text or text == "@", "`..`, `@{` and a lone `@` mean something else"),
        (
            any(_is_wrong_part(part) for part in text.split("/")),
            "a part is empty, begins with `.` or ends in `.lock`",
        ),
        (text.endswith("."), "it ends with `.`"),
        (_length(text) > LONGEST, f"it is longer than {LONGEST} bytes"),
    )
    return next((why for wrong, why in rules if wrong), "")


def _length(text: str) -> int:
    """Bytes of the name alone, so that a branch is as long whether or not it is said to be one."""
    return len(_KINDS.sub("", text).encode(errors="replace"))


def _is_wrong_part(part: str) -> bool:
    return not part or part.startswith(".") or part.endswith(".lock")
