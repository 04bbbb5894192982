"""Reads what a guest's console and QEMU itself print into a ring in memory; nothing goes to a disk."""

from __future__ import annotations

import asyncio
import os
from typing import IO

KEPT = 64 * 1024


class Ring:
    """The last 64 KiB that came out of a pipe, however much does."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor = pipe.fileno()
        self._kept = bytearray()
        os.set_blocking(self._descriptor, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._read)

    def text(self) -> str:
        """What is kept, as text; bytes that are none are shown as replacement characters."""
        return self._kept.decode(errors="replace").replace("\r", "")

    def drain(self) -> None:
        """Take what is there and stop reading: the writer has ended."""
        if self._descriptor < 0:
            return
        while self._read():
            pass
        self._stop()

    def _read(self) -> bool:
        try:
            data = os.read(self._descriptor, KEPT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._stop()
            return False
        self._kept += data
        del self._kept[:-KEPT]
        return True

    def _stop(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            self._descriptor = -1
