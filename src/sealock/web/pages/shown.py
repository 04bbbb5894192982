"""How things are written on a page: text of strangers with nothing hidden in it, times, durations, bytes.

A branch's name or a commit's message can have characters that turn the line around, erase, or cannot be seen
at all. On our pages they are shown as what they are, `\\u202e` for example: every text that a template puts
out passes `visible`, so no template can forget it.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from markupsafe import Markup, escape

_KEPT = frozenset("\n\t\u200c\u200d")
"""Seen as white space, or needed to write some languages and signs."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NO_SIGNS = frozenset("\ufffe\uffff")
"""With one of them XML, as a badge is, cannot be read at all."""


def visible(text: str) -> str:
    """The text with each character that is not seen, or changes how others are seen, written out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written(sign) if _is_hidden(sign) else sign for sign in text)


def _is_hidden(sign: str) -> bool:
    return sign in _NO_SIGNS or (sign not in _KEPT and unicodedata.category(sign) in _HIDDEN)


def _written(sign: str) -> str:
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def coded(text: str) -> Markup:
    """A sentence in which what stands between two backticks is code. With an odd number it stays as it is."""
    if isinstance(text, Markup):
        return text
    parts = visible(text).split("`")
    if len(parts) % 2 == 0:
        return escape(visible(text))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def put_out(value: object) -> object:
    """What a template puts out: text of ours stays, other text is made visible."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def moment(seconds: float) -> Markup:
    """A time by the clock. seconds: since 1970."""
    at = _at(seconds)
    return Markup('<time datetime="{}">{}</time>').format(_machine(at), at.strftime("%Y-%m-%d %H:%M:%S UTC"))


def ago(seconds: float, now: float) -> Markup:
    """How long it is since then, with the time by the clock behind it. A script keeps it up to date."""
    at = _at(seconds)
    clock = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time data-ago datetime="{}" title="{}">{}</time>').format(
        _machine(at), clock, since(now - seconds)
    )


def since(seconds: float) -> str:
    """`just now`, `5 min ago`, `3 h ago`, `12 days ago`."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds / 60)} min ago"
    if seconds < 48 * 3600:
        return f"{int(seconds / 3600)} h ago"
    return f"{int(seconds / 86400)} days ago"


def day(seconds: float) -> Markup:
    """A day."""
    at = _at(seconds)
    return Markup('<time datetime="{}">{}</time>').format(_machine(at), at.strftime("%Y-%m-%d"))


def _machine(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(seconds: float) -> datetime:
    """A clock that is wrong makes a strange time, not a page that fails."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), 253402300799.0), UTC)
