"""The note that stays of a removed log: which build's, who removed it, when and why, and nothing it held."""

from __future__ import annotations

import json
import math

from sealock.core.log import LogRemoval

LONGEST = 4096
"""Bytes."""

LONGEST_NAME = 256
"""Characters, of who and of why."""

FORMAT = 1
WITH_WHY = 2


def encode(removal: LogRemoval) -> bytes:
    """The note as it is kept. What cannot be printed of a name is replaced."""
    told = {"format": FORMAT, "build": removal.build_id, "by": _printable(removal.by), "at": removal.at}
    if removal.why:
        told |= {"format": WITH_WHY, "why": _printable(removal.why)}
    return (json.dumps(told) + "\n").encode()


def decode(data: bytes, build_id: str) -> LogRemoval:
    """The note of that build. ValueError says what is wrong with it."""
    try:
        told = json.loads(data) if len(data) <= LONGEST else None
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(told, dict) or set(told) - {"why"} != {"format", "build", "by", "at"}:
        raise ValueError("it is not a note of a removed log")
    by, at, why = told["by"], told["at"], told.get("why", "")
    if (told["format"], told["build"]) != (WITH_WHY if "why" in told else FORMAT, build_id):
        raise ValueError("it is of another build, or in another format")
    if not (_is_text(by) and _is_text(why)) or not isinstance(at, float | int) or _absurd(at):
        raise ValueError("it names nobody, or no time")
    return LogRemoval(build_id, by, float(at), why)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:LONGEST_NAME])


def _is_text(found: object) -> bool:
    return isinstance(found, str) and found.isprintable()


def _absurd(at: float) -> bool:
    return isinstance(at, bool) or not math.isfinite(at) or not 0 <= at < 2**33
