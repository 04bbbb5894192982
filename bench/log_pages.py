"""Logs as pages show them: how fast lines become HTML, how long a page in the middle takes, and what is done
with half a gigabyte of output: the first look, its end, its middle, a search, a download, all opened anew."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.rows import Row, row
from sealock.core.event import CommandEnded, CommandStarted, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import LogReader
from sealock.core.secret import Secret
from sealock.livelog.ansi import Ansi
from sealock.livelog.files import LogFiles
from sealock.livelog.outline import outline_of
from sealock.livelog.pages import page, pages
from sealock.livelog.shelf_shapes import hits_of, page_of

LINES = 100_000
RUNS = 5
HUGE = 500_000_000
"""Bytes."""

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
            outlined = [_seconds(lambda: _first_look(reader)) for _ in range(RUNS)]
    return [
        *_huge(lines),
        row("log_lines_to_html", "lines/s", shown),
        row("page_of_100000_lines", "s", paged),
        row("first_look_at_100000_lines", "s", outlined),
    ]


def _huge(lines: list[bytes]) -> list[Row]:
    """Seconds; each time the log is opened anew, as for somebody who has not looked at it yet."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as directory:
        logs, key = LogFiles(Path(directory)), Secret(os.urandom(32))
        _write_huge(logs, key, b"\n".join(lines) + b"\n")

        def timed(work: Callable[[LogReader], object]) -> list[float]:
            def once() -> None:
                with logs.open(BUILD, key) as reader:
                    work(reader)

            return [_seconds(once) for _ in range(RUNS)]

        works: dict[str, Callable[[LogReader], object]] = {
            "first_look": _first_look,
            "end": lambda reader: page_of(reader, pages(reader.lines)),
            "line_in_the_middle": lambda reader: page_of(reader, pages(reader.lines) // 2),
            "search_for_nothing": lambda reader: hits_of(reader, "nowhere in it", 1, True),
            "download": _download,
        }
        return [row(f"log_of_500_mb_{name}", "s", timed(work)) for name, work in works.items()]


def _write_huge(logs: LogFiles, key: Secret, block: bytes) -> None:
    writer = logs.create(BUILD, key)
    writer.mark(to_text(PhaseStarted("test", 0.0)))
    writer.mark(to_text(CommandStarted(1, "make test", 0.0)))
    for _ in range(HUGE // len(block) + 1):
        writer.write(block)
    writer.write(b"error: it broke\n")
    writer.mark(to_text(CommandEnded(1, 2, 9.0)))
    writer.mark(to_text(PhaseEnded("test", 9.0, False)))
    writer.close()


def _first_look(reader: LogReader) -> None:
    found = outline_of(reader)
    page_of(reader, -(-(found.failing_line or 1) // 500))


def _download(reader: LogReader) -> None:
    number = 0
    while reader.piece(number) is not None:
        number += 1


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
