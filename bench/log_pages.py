"""Logs as pages show them: how fast lines become HTML, and how long a page in the middle takes."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.rows import Row, row
from sealock.core.secret import Secret
from sealock.livelog.ansi import Ansi
from sealock.livelog.files import LogFiles
from sealock.livelog.groups import outline
from sealock.livelog.pages import page

LINES = 100_000
RUNS = 5
BUILD = "0" * 32
WORDS = ["compiling", "linking", "tests", "passed", "warning", "the", "of", "module", "build", "step"]


def measure(before: list[Row]) -> list[Row]:
    """Every row of this part."""
    lines = _ordinary_lines(random.Random(1))
    shown = [LINES / _seconds(lambda: _show(lines)) for _ in range(RUNS)]
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as directory:
        logs, key = LogFiles(Path(directory)), Secret(os.urandom(32))
        writer = logs.create(BUILD, key)
        writer.write(b"\n".join(lines) + b"\n")
        writer.close()
        with logs.open(BUILD, key) as reader:
            paged = [_seconds(lambda: page(reader, 100)) for _ in range(RUNS)]
            outlined = [_seconds(lambda: outline(reader)) for _ in range(RUNS)]
    return [
        row("log_lines_to_html", "lines/s", shown),
        row("page_of_100000_lines", "s", paged),
        row("groups_of_100000_lines", "s", outlined),
    ]


def _ordinary_lines(chance: random.Random) -> list[bytes]:
    """Half of them with colours."""
    return [
        f"\x1b[32mPASS\x1b[0m tests/\x1b[1m{' '.join(chance.choices(WORDS, k=4))}\x1b[0m {number}".encode()
        if number % 2
        else f"2026-03-01T12:00:00Z INFO {' '.join(chance.choices(WORDS, k=9))}".encode()
        for number in range(LINES)
    ]


def _show(lines: list[bytes]) -> None:
    ansi = Ansi()
    for line in lines:
        ansi.html(line)


def _seconds(work: Callable[[], object]) -> float:
    """Of this process's own time, so that others on the host do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start
