"""`make bench`: measures, prints a table, writes bench/latest.json.

    python -m bench.run [PART...]      machines, others, …: the modules of this directory with `measure`

Absolute times say more about the host than about Sealock; compare the ratios.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rows import Row

HERE = Path(__file__).parent
NOT_PARTS = {"__init__", "run", "rows", "programs", "whole_server"}
# Columns where there is no terminal to ask; no row is broken at this width.
PLAIN_WIDTH = 160


def main(wanted: list[str]) -> int:
    """Measure the wanted parts, all of them by default."""
    console = Console() if sys.stdout.isatty() else Console(width=PLAIN_WIDTH)
    found: list[Row] = []
    for name in wanted or parts():
        console.print(f"measuring {name} …", style="dim")
        found += importlib.import_module(f"bench.{name}").measure(found)
    console.print(table(found))
    (HERE / "latest.json").write_text(json.dumps([each.as_json() for each in found], indent=2) + "\n")
    return 0


def parts() -> list[str]:
    """Every module here that measures, `machines` first: others compare themselves with it."""
    names = {path.stem for path in HERE.glob("*.py")} - NOT_PARTS
    return sorted(names, key=lambda name: (name != "machines", name))


def table(found: list[Row]) -> Table:
    """The figures for a person."""
    result = Table()
    for column in ("name", "median", "unit", "spread", "runs", "against", "baseline", "ratio"):
        numeric = column in {"median", "runs", "baseline", "ratio"}
        result.add_column(column, no_wrap=column == "name", justify="right" if numeric else "left")
    for each in found:
        spread = f"{min(each.runs):.3g} to {max(each.runs):.3g}"
        baseline = "" if each.baseline is None else f"{each.baseline:.3g}"
        ratio = "" if each.ratio is None else f"{each.ratio:.3f}"
        value, runs = f"{each.value:.3g}", str(len(each.runs))
        result.add_row(each.name, value, each.unit, spread, runs, each.against, baseline, ratio)
    return result


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
