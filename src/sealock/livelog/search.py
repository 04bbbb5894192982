"""Looks for a text in chunks, which end anywhere. A text, not a pattern: a pattern can be written so that
the search takes hours."""

from __future__ import annotations

from sealock.core.errors import UsageError
from sealock.core.log import Found

LONGEST_TEXT = 1000


class Search:
    """Finds the lines from number `first` on that hold `text`, at most `limit` of them."""

    def __init__(self, text: str, *, first: int, limit: int, ignore_case: bool) -> None:
        """UsageError if that is nothing to search for."""
        needle = _encoded(text)
        self._ignore_case = ignore_case
        self._needle = needle.lower() if ignore_case else needle
        self._first, self._limit = first, limit
        self._carry = b""  # the end of the line so far, which the text may begin in
        self._column = 0  # bytes of that line before `_carry`
        self.found: list[Found] = []
        self.full = limit <= 0

    def add(self, output: bytes, first: int) -> None:
        """The output of one chunk, whose first byte belongs to line `first`."""
        data = self._carry + (output.lower() if self._ignore_case else output)
        line, begin, column = first, 0, self._column
        place = data.find(self._needle)
        while place >= 0 and not self.full:
            newlines = data.count(b"\n", begin, place)
            if newlines:
                line += newlines
                begin, column = data.rindex(b"\n", begin, place) + 1, 0
            self._add(line, place - begin + column)
            end_of_line = data.find(b"\n", place)
            place = -1 if end_of_line < 0 else data.find(self._needle, end_of_line)
        self._keep_end(data)

    def _add(self, line: int, column: int) -> None:
        if line >= self._first and not (self.found and self.found[-1].line == line):
            self.found.append(Found(line, column))
            self.full = len(self.found) >= self._limit

    def _keep_end(self, data: bytes) -> None:
        begin = data.rfind(b"\n") + 1
        kept = max(begin, len(data) - len(self._needle) + 1)
        self._column = (0 if begin else self._column) + kept - begin
        self._carry = data[kept:]


def _encoded(text: str) -> bytes:
    try:
        if text and "\n" not in text and len(text) <= LONGEST_TEXT:
            return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        pass
    raise UsageError(
        "this cannot be searched for",
        details=f"A text of 1 to {LONGEST_TEXT} characters within one line can be.",
        resolution="Search for a shorter part of one line.",
    )
