"""What a benchmark returns, and how it is measured: medians of several runs, with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. value: the median of `runs`. baseline: what it is compared with, in the same unit and
    measured in the same run, and `ratio` = value / baseline; None where there is nothing to compare."""

    name: str
    value: float
    unit: str
    runs: tuple[float, ...]
    baseline: float | None = None
    against: str = ""

    @property
    def ratio(self) -> float | None:
        """How it stands to the baseline; below 1 is less."""
        return self.value / self.baseline if self.baseline else None

    def as_json(self) -> dict[str, object]:
        """A row of `bench/latest.json`."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "baseline": self.baseline,
            "against": self.against,
            "ratio": self.ratio,
            "runs": list(self.runs),
        }


def row(
    name: str, unit: str, runs: Sequence[float], *, baseline: float | None = None, against: str = ""
) -> Row:
    """The row of these runs."""
    return Row(name, statistics.median(runs), unit, tuple(runs), baseline, against)
