"""The display in a terminal: what runs now ticks on the last line, what is done stays above it.

While a command prints, its output owns the terminal and nothing of ours is redrawn, so that a flood
costs no more than writing it. The ticking line comes back with the next silent phase or command.
"""

from __future__ import annotations

import time

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from sealock.cli.display import PhaseTimes, Transcript, ending, seconds
from sealock.cli.sanitize import printable
from sealock.core import event


class Ticking:
    """A spinner, words and the seconds since they began, drawn anew at each refresh."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._began = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> Spinner:
        taken = seconds(time.monotonic() - self._began)
        self._spinner.update(text=Text.assemble((self._words, "bold"), (f"  {taken}", "dim"), no_wrap=True))
        return self._spinner


class LiveDisplay(PhaseTimes):
    """Phases with ticking times, commands as headings, output in between."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._transcript = Transcript(console.file, colour=console.color_system is not None)
        self._live: Live | None = None

    def emit(self, happened: event.Event) -> None:
        """Draw what happened."""
        self.see(happened)
        match happened:
            case event.Output(data):
                self._still()
                self._transcript.output(data)
                self._console.file.flush()
            case event.PhaseStarted(name):
                self._tick(name)
            case event.PhaseEnded():
                self._phase_ended(happened)
            case event.CommandStarted(_, line):
                self._above(Text(f"$ {printable(line)}", style="bold"))
                self._tick(printable(line))
            case event.CommandEnded():
                self._command_ended(happened)
            case event.Notice(text):
                self._above(Text(printable(text), style="yellow"))

    def close(self) -> None:
        """Take the ticking line away."""
        self._still()
        self._transcript.end_output()

    def _phase_ended(self, happened: event.PhaseEnded) -> None:
        self._still()
        mark = ("✔ ", "green") if happened.ok else ("✘ ", "red")
        taken = seconds(self.phases[happened.name])
        detail = printable(happened.detail)
        self._above(
            Text.assemble(mark, (f"{happened.name:<12}", "bold"), f"{taken:>10}", (f"  {detail}", "dim"))
        )

    def _command_ended(self, happened: event.CommandEnded) -> None:
        self._still()
        self._transcript.end_output()
        style = "green" if happened.exit_code == 0 else "red"
        self._above(Text(f"  {ending(happened)}", style=style))

    def _above(self, text: Text) -> None:
        """A line that stays, above the ticking one if there is one."""
        self._console.print(text, soft_wrap=True, highlight=False)

    def _tick(self, words: str) -> None:
        self._still()
        self._live = Live(Ticking(words), console=self._console, refresh_per_second=10, transient=True)
        self._live.start()

    def _still(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
