"""The note that stays of a removed log: which build's, who removed it and when, and nothing it held."""

from __future__ import annotations

import json
import math

from sealock.core.log import LogRemoval

LONGEST = 4096
"""Bytes."""

LONGEST_NAME = 256
FORMAT = 1


def encode(removal: LogRemoval) -> bytes:
    """The note as it is kept. What cannot be printed of a name is replaced."""
    by = "".join(letter if letter.isprintable() else "\ufffd" for letter in removal.by[:LONGEST_NAME])
    told = {"format": FORMAT, "build": removal.build_id, "by": by, "at": removal.at}
    return (json.dumps(told) + "\n").encode()


def decode(data: bytes, build_id: str) -> LogRemoval:
    """The note of that build. ValueError says what is wrong with it."""
    try:
        told = json.loads(data) if len(data) <= LONGEST else None
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(told, dict) or set(told) != {"format", "build", "by", "at"}:
        raise ValueError("it is not a note of a removed log")
    by, at = told["by"], told["at"]
    if (told["format"], told["build"]) != (FORMAT, build_id):
        raise ValueError("it is of another build, or in another format")
    if not isinstance(by, str) or not by.isprintable() or not isinstance(at, float | int) or _absurd(at):
        raise ValueError("it names nobody, or no time")
    return LogRemoval(build_id, by, float(at))


def _absurd(at: float) -> bool:
    return isinstance(at, bool) or not math.isfinite(at) or not 0 <= at < 2**33
