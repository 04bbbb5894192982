"""A mistake in a configuration file: found anywhere on the way, told in one place.

As many as can be found are collected and told together, in the order of the file, so that one run of
Sealock shows a person everything there is to mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from sealock.core.errors import ConfigError

SHOWN_PROBLEMS = 20
SHOWN_LENGTH = 60


class Problem(NamedTuple):
    """line and column count from 1. message: what is wrong. resolution: what to do about it."""

    line: int
    column: int
    message: str
    resolution: str = ""


def config_error(file: str, problems: Sequence[Problem]) -> ConfigError:
    """One error for all problems (at least one): the first in brief, the others in details."""
    first, *others = sorted(problems, key=lambda problem: problem[:2])
    lines = [f"{file}:{other.line}:{other.column}: {other.message}" for other in others[:SHOWN_PROBLEMS]]
    if len(others) > SHOWN_PROBLEMS:
        lines.append(f"…and {len(others) - SHOWN_PROBLEMS} more")
    return ConfigError(
        file, first.line, first.column, first.message, details="\n".join(lines), resolution=first.resolution
    )


def shown(text: str) -> str:
    """Text of a stranger's as it may stand in a message: one line, no control characters, cut to length."""
    cut = text[:SHOWN_LENGTH]
    safe = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in cut)
    return safe + ("…" if len(text) > SHOWN_LENGTH else "")


def near_match(name: str, known: Sequence[str]) -> str:
    """`; did you mean `X`?`, or nothing if no known name is near."""
    matches = get_close_matches(name[:SHOWN_LENGTH].lower(), known, n=1)
    return f"; did you mean `{matches[0]}`?" if matches else ""
