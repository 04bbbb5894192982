"""Decisions are values: `Allowed`, or `Denied` with its reason. An empty rule means no."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    """Yes."""

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True)
class Denied:
    """No; `reason` is a sentence for the person who asked."""

    reason: str

    def __bool__(self) -> bool:
        return False


Decision = Allowed | Denied
