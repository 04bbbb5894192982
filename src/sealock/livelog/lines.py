"""Takes the lines of a range out of chunks, which end anywhere."""

from __future__ import annotations

from sealock.core.log import LONGEST_LINE, Line


class Lines:
    """The lines from number `first` on, at most `count` of them, out of what is added in order."""

    def __init__(self, first: int, count: int) -> None:
        self._first = max(1, first)
        self._behind = self._first + max(0, count)
        self._found: list[Line] = []
        self._begun = b""  # of a line whose newline has not come yet, up to what is shown
        self._begun_at: float | None = None
        self._number = 0
        self.full = count <= 0

    def add(self, output: bytes, first: int, at: float) -> None:
        """The output of one chunk, whose first byte belongs to line `first`, kept at that time."""
        *finished, rest = output.split(b"\n")
        skipped, behind = max(0, self._first - first), max(0, self._behind - first)
        for number, line in enumerate(finished[skipped:behind], first + skipped):
            self._take(number, line, at)
            self._finish()
        self.full = self.full or first + len(finished) > self._behind
        if rest:
            self._take(first + len(finished), rest, at)

    def needs_no_more_of(self, number: int) -> bool:
        """All that is shown of this line was added."""
        return self._begun_at is not None and self._number == number and len(self._begun) > LONGEST_LINE

    def found(self) -> list[Line]:
        """What was found; a line without a newline at the end of the log is one too."""
        self._finish()
        return self._found

    def _take(self, number: int, data: bytes, at: float) -> None:
        self.full = self.full or number >= self._behind
        if self._first <= number < self._behind:
            if self._begun_at is None:
                self._begun_at, self._number = at, number
            self._begun += data[: LONGEST_LINE + 1 - len(self._begun)]

    def _finish(self) -> None:
        if self._begun_at is not None:
            cut = len(self._begun) > LONGEST_LINE
            self._found.append(Line(self._number, self._begun[:LONGEST_LINE], self._begun_at, cut))
            self._begun, self._begun_at = b"", None
            self.full = self.full or self._number + 1 >= self._behind
