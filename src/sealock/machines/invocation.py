"""What a machine is told to start a command, and what it tells about it on standard error.

The command line given to the guest's sshd is always the same constant; the command itself goes to the
fixed script `guest/exec` as fields that end in NUL bytes. So no shell ever reads a value of ours.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sealock.core.errors import UsageError

KEPT_ERRORS = 64 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_NOTE = b"\n[%d more bytes of standard error were dropped]\n"


@dataclass(frozen=True)
class Invocation:
    """A command to start. cwd None: the home directory. token: marks our own line on standard error."""

    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    token: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())

    def encode(self) -> bytes:
        """The fields as `guest/exec` reads them. UsageError if a value cannot reach a program."""
        if not self.argv:
            raise UsageError("a command needs at least the name of a program")
        pairs = [f"{_checked_name(name)}={value}" for name, value in (self.env or {}).items()]
        texts = [self.cwd or "", str(len(pairs)), *pairs, str(len(self.argv)), *self.argv]
        fields = [self.token, *(_encoded(text) for text in texts)]
        return b"".join(one + b"\0" for one in fields)


def _checked_name(name: str) -> str:
    if not _NAME.match(name):
        raise UsageError(
            f"{name!r} cannot be the name of an environment variable",
            resolution="Use letters, digits and underscores, with no digit first.",
        )
    return name


def _encoded(text: str) -> bytes:
    if "\0" in text:
        raise UsageError(
            "a command, a directory or an environment variable holds a NUL character",
            details=repr(text)[:200],
            resolution="Remove the NUL character; no program can be given one.",
        )
    return os.fsencode(text)


class ErrorStream:
    """Standard error of a started command: takes our own line out and keeps the first 64 KiB.

    group: the command's process group in the guest, None until it has told.
    """

    def __init__(self, token: bytes) -> None:
        self.group: int | None = None
        self._line = re.compile(re.escape(token) + rb" ([1-9][0-9]{0,9})\n")
        # Enough to hold a line of ours that came in two pieces.
        self._held_back = len(token) + 12
        self._pending = b""
        self._kept = bytearray()
        self._dropped = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes, however they were split."""
        if self.group is not None:
            self._keep(data)
            return
        self._pending += data
        if found := self._line.search(self._pending):
            self.group = int(found[1])
            self._keep(self._pending[: found.start()] + self._pending[found.end() :])
            self._pending = b""
        elif (ready := len(self._pending) - self._held_back) > 0:
            self._keep(self._pending[:ready])
            self._pending = self._pending[ready:]

    def _keep(self, data: bytes) -> None:
        room = KEPT_ERRORS - len(self._kept)
        self._kept += data[:room]
        self._dropped += max(0, len(data) - room)

    def value(self) -> bytes:
        """What was kept, with a note at its end if something was dropped; at most 64 KiB."""
        kept = bytes(self._kept) + self._pending
        if not self._dropped and len(kept) <= KEPT_ERRORS:
            return kept
        end = KEPT_ERRORS - 100
        return kept[:end] + _NOTE % (self._dropped + len(kept) - end)
