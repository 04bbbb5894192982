"""Writes to a terminal or pipe from a thread, so that a stalled reader cannot hold up a build's end.

A terminal can be stopped (Ctrl-S) and a pager need not read. A write would then block whoever makes it;
if that were the build, neither its time limit nor Ctrl-C would reach its machine any more. So text is
queued here. The build asks with `drained` whether it may go on, and can be cancelled while it waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

ENOUGH = 1 << 20
"""Characters that may wait to be written before the build is held back."""


class Writer:
    """A text stream that never blocks. failed: set once the reader is gone; nothing is written then.

    on_failure: called in the writing thread when that happens.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.failed = False
        self.on_failure: Callable[[], object] | None = None
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._size = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def write(self, text: str) -> int:
        """Queue text."""
        with self._changed:
            if not self.failed:
                self._waiting.append(text)
                self._size += len(text)
                self._changed.notify()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: the thread flushes whatever it writes."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's, for questions about its size."""
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        """The stream's."""
        return str(getattr(self._stream, "encoding", "utf-8"))

    async def drained(self) -> None:
        """Wait while too much is queued. May be cancelled."""
        while self._size > ENOUGH:  # noqa: ASYNC110 - rare, and an event would have to cross threads
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Wait until everything is written or the reader is gone. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        try:
            while (text := self._next()) is not None:
                self._stream.write(text)
                self._stream.flush()
                with self._changed:
                    self._size -= len(text)
        except (OSError, ValueError):
            self._give_up()

    def _next(self) -> str | None:
        """Everything that waits, in one piece; None once it was closed and nothing does."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if not self._waiting:
                return None
            text = "".join(self._waiting)
            self._waiting.clear()
            return text

    def _give_up(self) -> None:
        with self._changed:
            self.failed = True
            self._waiting.clear()
            self._size = 0
        if self.on_failure is not None:
            self.on_failure()
