"""Shows a run to whoever watches: plain lines for files and pipes, JSON lines for programs.

The live display for a terminal is in `cli.live`. All of them take the events of `core.event` and keep
the times of the phases for the summary.
"""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import asdict
from typing import IO, Protocol

from sealock.cli.sanitize import Sanitizer, printable
from sealock.core import event


class Display(Protocol):
    """Takes events while a run goes on; `close` ends whatever is on the screen."""

    phases: dict[str, float]
    """Seconds each ended phase took, by name, in order."""

    def emit(self, happened: event.Event) -> None: ...

    def close(self) -> None: ...


class PhaseTimes:
    """Keeps how long phases take. A phase that happens twice (a second machine) counts as a sum."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self._began = 0.0

    def see(self, happened: event.Event) -> None:
        """Note the start or end of a phase; other events pass by."""
        if isinstance(happened, event.PhaseStarted):
            self._began = happened.at
        elif isinstance(happened, event.PhaseEnded):
            taken = max(0.0, happened.at - self._began)
            self.phases[happened.name] = self.phases.get(happened.name, 0.0) + taken


def seconds(value: float) -> str:
    """A duration for people: `0.42 s`, `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if value < 10:
        return f"{value:.2f} s"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def ending(happened: event.CommandEnded) -> str:
    """The line under a command's output."""
    how = "stopped after" if happened.exit_code is None else f"exit {happened.exit_code} in"
    return f"{how} {seconds(happened.seconds)}"


class Transcript:
    """Writes headings and sanitized output to a stream, each heading at the start of a line."""

    def __init__(self, stream: IO[str], *, colour: bool) -> None:
        self._stream = stream
        self._sanitizer = Sanitizer(colour=colour)
        self._in_line = False

    def output(self, data: bytes) -> None:
        """The guest's bytes, made safe."""
        self._write(self._sanitizer.feed(data))

    def end_output(self) -> None:
        """What was kept back, the end of colours, and the end of a line left open."""
        self._write(self._sanitizer.finish())
        if self._in_line:
            self._write("\n")

    def line(self, text: str) -> None:
        """A line of our own."""
        self._write(text + "\n")
        self._stream.flush()

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._in_line = not text.endswith(("\n", "\n\x1b[0m"))


class PlainDisplay(PhaseTimes):
    """Plain lines, each written once and never changed."""

    def __init__(self, stream: IO[str], *, colour: bool = False) -> None:
        super().__init__()
        self._transcript = Transcript(stream, colour=colour)

    def emit(self, happened: event.Event) -> None:
        """Write what happened."""
        self.see(happened)
        match happened:
            case event.Output(data):
                self._transcript.output(data)
            case event.PhaseStarted(name):
                self._transcript.line(f"==> {name}")
            case event.PhaseEnded():
                self._transcript.line(f"    {phase_ending(happened, self.phases[happened.name])}")
            case event.CommandStarted(_, line):
                self._transcript.line(f"$ {printable(line)}")
            case event.CommandEnded():
                self._transcript.end_output()
                self._transcript.line(f"    {ending(happened)}")
            case event.Notice(text):
                self._transcript.line(f"--- {printable(text)}")

    def close(self) -> None:
        """End an output that was cut off."""
        self._transcript.end_output()


def phase_ending(happened: event.PhaseEnded, taken: float) -> str:
    """`done in 0.42 s: clone of python`."""
    detail = f": {printable(happened.detail)}" if happened.detail else ""
    return f"{'done' if happened.ok else 'failed'} in {seconds(taken)}{detail}"


class JsonDisplay(PhaseTimes):
    """One JSON object a line for each event: `{"event": "phase-started", "name": …}`.

    Output has its text as `text`, invalid UTF-8 replaced; every character outside ASCII is escaped, so
    that a line is safe to print.
    """

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def emit(self, happened: event.Event) -> None:
        """Write the event's line."""
        self.see(happened)
        if isinstance(happened, event.Output):
            self._write("output", text=self._decoder.decode(happened.data))
            return
        if isinstance(happened, event.CommandEnded) and (rest := self._decoder.decode(b"", final=True)):
            self._write("output", text=rest)
        self._write(_kind(happened), **asdict(happened))

    def result(self, values: dict[str, object]) -> None:
        """Write the last line, `{"event": "result", …}`."""
        self._write("result", **values)

    def close(self) -> None:
        """Nothing is left open."""

    def _write(self, kind: str, **values: object) -> None:
        self._stream.write(json.dumps({"event": kind, **values}) + "\n")
        self._stream.flush()


def _kind(happened: event.Event) -> str:
    """`PhaseStarted` is `phase-started`."""
    return re.sub(r"(?<!^)([A-Z])", r"-\1", type(happened).__name__).lower()
