"""Finds the end of a command in the stream of everything the step's shell writes.

The runner in the guest writes a marker after each command: NUL, a nonce only this step knows, the
command's number and its exit code. Output may be any bytes, may lack a last newline, may hold markers
of other steps, and arrives split anywhere; only bytes that may be the beginning of a marker wait.
"""

from __future__ import annotations

# " 4294967295 255\n" is the longest rest of a marker that the runner writes.
_LONGEST_REST = 16


class MarkerParser:
    """Takes the stream in pieces. exit_code is None until the marker of command `number` was found."""

    def __init__(self, nonce: bytes) -> None:
        # The one NUL at its start makes every search below a single look for one byte.
        self._prefix = b"\0" + nonce + b" "
        self._buffer = b""
        self._number = 0
        self.exit_code: int | None = None

    def expect(self, number: int) -> None:
        """From now on look for the marker of this command."""
        self._number = number
        self.exit_code = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; returns the output that is certain to be no marker.

        Once the marker is found the bytes after it are kept: they belong to the next command, which
        gets them from `feed(b"")`.
        """
        stream = self._buffer + data if self._buffer else data
        self._buffer = b""
        start = 0
        while (found := stream.find(self._prefix, start)) >= 0:
            rest = found + len(self._prefix)
            end = stream.find(b"\n", rest, rest + _LONGEST_REST)
            if end < 0 and len(stream) - rest < _LONGEST_REST:
                self._buffer = stream[found:]
                return stream[:found]
            if end >= 0 and self._accept(stream[rest:end]):
                self._buffer = stream[end + 1 :]
                return stream[:found]
            start = rest
        held = self._beginning_of_prefix(stream)
        self._buffer = stream[held:]
        return stream[:held] if self._buffer else stream

    def rest(self) -> bytes:
        """The bytes that waited, once it is certain that nothing follows."""
        rest, self._buffer = self._buffer, b""
        return rest

    def _accept(self, fields: bytes) -> bool:
        number, _, code = fields.partition(b" ")
        if not (number.isdigit() and code.isdigit()) or int(number) != self._number:
            return False
        self.exit_code = int(code)
        return True

    def _beginning_of_prefix(self, stream: bytes) -> int:
        """Where a marker may have begun that is not complete yet; the stream's length if nowhere."""
        tail = stream.rfind(b"\0", max(0, len(stream) - len(self._prefix) + 1))
        if tail >= 0 and self._prefix.startswith(stream[tail:]):
            return tail
        return len(stream)
