"""The parser's complaints in the words of somebody who wants to mend the file.

A table: what the parser says, what it most often means, what to do. What is not in the table is told
in the parser's own words.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ruamel.yaml.error import MarkedYAMLError

from sealock.pipeline.decode import position
from sealock.pipeline.problem import Problem, shown


class _Meaning(NamedTuple):
    """pattern: searched in `context: problem`. at_start: the mistake is where the construct began."""

    pattern: re.Pattern[str]
    message: str
    resolution: str
    at_start: bool = False


def _row(pattern: str, message: str, resolution: str, *, at_start: bool = False) -> _Meaning:
    return _Meaning(re.compile(pattern), message, resolution, at_start)


_MEANINGS = (
    _row(
        r"character '\\t'",
        "a tab stands where only spaces may",
        "Indent with spaces; most editors can do so by themselves in YAML files.",
    ),
    _row(
        r"character '(?P<what>.)' that cannot start",
        "text cannot begin with {what} here",
        "Put the whole text in quotes.",
    ),
    _row(
        "mapping values are not allowed",
        "a colon with a space after it begins a value, which cannot stand here",
        "Put text that contains `: ` in quotes, or check the indentation of this line and the one above.",
    ),
    _row(
        "sequence entries are not allowed",
        "a list cannot begin here",
        "Put the `- ` on a line of its own, indented below its key.",
    ),
    _row(
        "could not find expected ':'",
        "this line is neither `key: value` nor the continuation of the line above",
        "Add the missing colon, or check the indentation.",
        at_start=True,
    ),
    _row(
        "quoted scalar: found unexpected (end|document)",
        "this quote is never closed",
        "Close it, and check that quotes inside of it are doubled ('') or escaped (\\\").",
        at_start=True,
    ),
    _row(
        r"(flow sequence|flow mapping): expected .* but got '<stream end>'",
        "this bracket is never closed",
        "Close it, or put the text in quotes if the bracket belongs to it.",
        at_start=True,
    ),
    _row(
        "(flow sequence|flow mapping): expected",
        "a comma or the closing bracket is missing before this",
        "Close the list, or put the text in quotes if brackets belong to it.",
    ),
    _row(
        "unknown escape character",
        "a backslash in double quotes begins an escape, and this is none",
        "Use single quotes, or double the backslash.",
    ),
    _row(
        r"expected <block end>, but found '<scalar>'",
        "text goes on after its closing quote, or the indentation is wrong",
        "Put the whole text in quotes, or indent this line like the one it belongs to.",
    ),
    _row(
        "expected (<block end>|'<document start>'|<document start>)",
        "this does not fit to the lines above",
        "Check the indentation of this line: what belongs together begins in the same column.",
    ),
    _row(
        "more indented follow up line",
        "the blank lines above this text hold spaces, but fewer than the text",
        "Remove the spaces from the blank lines.",
    ),
)

_IMPOSSIBLE_ESCAPE = re.compile(r"\\U(?!0010|000[0-9a-fA-F])[0-9a-fA-F]{8}")


def problem(error: MarkedYAMLError) -> Problem:
    """What a parser's error means, and where."""
    said = ": ".join(part for part in (error.context, error.problem) if part)
    for meaning in _MEANINGS:
        if found := meaning.pattern.search(said):
            words = {name: shown(value) for name, value in found.groupdict().items()}
            place = _place(error, meaning.at_start)
            return Problem(*place, meaning.message.format(**words), meaning.resolution)
    return Problem(*_place(error), f"this is not YAML: {_in_one_line(said)}", "Check this line.")


def impossible_escape(text: str) -> Problem:
    """An escape in double quotes for a character that does not exist."""
    found = _IMPOSSIBLE_ESCAPE.search(text)
    line, column = position(text, found.start() if found else 0)
    return Problem(line, column, "this escape stands for no character", "Use single quotes if it is text.")


def _in_one_line(said: str) -> str:
    """The parser's own words, in one line."""
    return " ".join(shown(word) for word in said.split())


def _place(error: MarkedYAMLError, at_start: bool = False) -> tuple[int, int]:
    first, second = error.problem_mark, error.context_mark
    mark = (second or first) if at_start else (first or second)
    return mark.line + 1, mark.column + 1
