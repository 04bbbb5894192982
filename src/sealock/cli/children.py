"""Keeps the processes of a server running: each is started in its turn, watched, and started anew if it dies.

    Child      one program: how it is started, which line says that it is up, its pauses between tries
    Children   all of them, in order; stopped in the reverse of it

A child's standard input is a pipe that we hold. It ends when we do, however we do, and a child that finds
its end there stops; so nothing is left behind by a supervisor that was killed.
"""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sealock.core.errors import PermanentError

UP = 120.0
"""Seconds a child may take until it is up; a busy host starts Python slowly."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before a child that died is started again; each time twice as long."""

STEADY = 60.0
"""Seconds after which a child that ran counts as well again."""

LAST_LINES = 20

Say = Callable[[str, str], None]
"""Takes a child's name and a line of its output."""


@dataclass
class Child:
    """name: for people. command: the program and its arguments. up: what a line begins with once it serves,
    or one of these. patience: seconds it may take to end by itself. environment: all of its variables; None
    for ours."""

    name: str
    command: Sequence[str]
    up: str | tuple[str, ...]
    patience: float = 20.0
    environment: Mapping[str, str] | None = None
    process: Process | None = None
    said: list[str] = field(default_factory=list)
    is_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, say: Say) -> int:
        """Start it and pass on what it says, until it ends; its exit code."""
        self.said.clear()
        self.process = process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
            env=self.environment,
        )
        assert process.stdout is not None
        while line := await _line(process.stdout):
            text = line.decode(errors="replace").rstrip()
            self.said = [*self.said, text][-LAST_LINES:]
            say(self.name, text)
            if text.startswith(self.up):
                self.is_up.set()
        return await process.wait()

    def tell(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def ended(self) -> None:
        """Wait for its end, for as long as it may take; then end it."""
        process = self.process
        if process is None:
            return
        try:
            async with asyncio.timeout(self.patience):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Children:
    """Started one after the other, each once the one before is up."""

    def __init__(self, say: Say, *, first_pause: float = FIRST_PAUSE) -> None:
        self._say = say
        self._first_pause = first_pause
        self._watching: dict[str, tuple[Child, asyncio.Task[None]]] = {}
        self._stopping = False

    async def start(self, child: Child) -> None:
        """Return once it is up. PermanentError, with its last words, if it ends before that."""
        watching = asyncio.create_task(self._keep(child))
        self._watching[child.name] = child, watching
        up = asyncio.create_task(child.is_up.wait())
        await asyncio.wait((up, watching), timeout=UP, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if not child.is_up.is_set():
            raise PermanentError(
                f"the {child.name} did not start",
                details="\n".join(child.said) or "It said nothing.",
                resolution="Mend what it says, and start again.",
            )

    async def stop(self) -> None:
        """End them, the last first. May be called again."""
        self._stopping = True
        for child, watching in reversed(list(self._watching.values())):
            child.tell(signal.SIGTERM)
            await child.ended()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _keep(self, child: Child) -> None:
        pause = self._first_pause
        while True:
            began = time.monotonic()
            how = _how(await child.run(self._say))
            if self._stopping or not child.is_up.is_set():
                return
            ran = time.monotonic() - began
            pause = self._first_pause if ran > STEADY else min(2 * pause, LONGEST_PAUSE)
            self._say("sealock", f"the {child.name} ended ({how}); it is started again in {pause:g} s")
            await asyncio.sleep(pause)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line, or as much of one as we keep; nothing at the end."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as rest:
        return rest.partial
    except asyncio.LimitOverrunError as full:
        return await stream.readexactly(full.consumed)


def _how(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
