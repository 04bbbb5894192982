"""What errors look like in the output of the field's tools.

Each pattern is tried at the beginning of a line, escape sequences left out. A `sure` one is a tool saying
that something is wrong; one that is not may be a word in passing, and counts only if there is no sure one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLACE = r"(?:[A-Za-z]:)?[^\s:()<>]+"  # a file
_SHELL = r"\S+: (?:(?:line )?\d+: )?.{1,200}"  # who says what about what
_DIED = "Killed|Segmentation fault|Aborted|Bus error|Illegal instruction"


@dataclass(frozen=True)
class Pattern:
    """tool: who prints it, for the reader."""

    tool: str
    pattern: str
    sure: bool = True


@dataclass(frozen=True)
class Match:
    """Which tool's error a line looks like."""

    tool: str
    sure: bool


PATTERNS = (
    Pattern("pytest", r"E   +\S"),
    Pattern("pytest", r"(?:FAILED|ERROR) \S+(?:::\S|\.py\b)"),
    Pattern("pytest", r"ERROR: (?:not found|file or directory not found|usage): "),
    Pattern("pytest", r"INTERNALERROR>"),
    Pattern("unittest", r"(?:FAIL|ERROR): \w+ \([\w.<>]+\)"),
    Pattern("jest", r"\s+● \S.* \u203a \S"),
    Pattern("jest", r"\s+● (?:Test suite failed to run|\S.*\S)$"),
    Pattern("jest", r"\s*FAIL {1,2}\S+\.(?:[cm]?[jt]sx?)\b"),
    Pattern("go test", r"\s*--- FAIL: "),
    Pattern("go test", r"(?:panic: |fatal error: )"),
    Pattern("go", rf"(?:vet: )?{_PLACE}\.go:\d+:\d+: "),
    Pattern("go", r"FAIL\t\S+(?: \[(?:build|setup) failed\])?"),
    Pattern("go", r"go: .*(?:not found|unknown revision|cannot find|no required module|errors? )"),
    Pattern("cargo", r"error(?:\[E\d{4}\])?: (?!test failed|\d+\b)\S"),
    Pattern("cargo", r"thread '[^']*' (?:\(\d+\) )?panicked at "),
    Pattern("cargo", r"test \S+ \.\.\. FAILED"),
    Pattern("compiler", rf"{_PLACE}:\d+(?::\d+)?: (?:fatal )?error: "),
    Pattern("compiler", r"(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|cc1|cc1plus|collect2): (?:fatal )?error: "),
    Pattern("linker", r".*: undefined reference to "),
    Pattern("linker", r"(?:\S*/)?ld(?:\.\w+)?: (?!warning)\S.*(?:cannot find|error|undefined|multiple def)"),
    Pattern("make", r"(?:g?make|ninja)(?:\[\d+\])?: \*\*\* "),
    Pattern("make", r"ninja: error: |FAILED: \S"),
    Pattern("cmake", r"CMake Error(?: at |:)"),
    Pattern("npm", r"npm (?:ERR!|error) "),
    Pattern("npm", r"\s*(?:ERR_PNPM_\w+|error Command failed)"),
    Pattern("node", r"(?:Uncaught )?(?:\w+Error|Error)(?: \[\w+\])?: \S"),
    Pattern("tsc", rf"{_PLACE}(?:\(\d+,\d+\)|:\d+:\d+)(?::| -) error TS\d+: "),
    Pattern("tsc", r"error TS\d+: "),
    Pattern("eslint", r"\s+\d+:\d+\s+error\s+\S"),
    Pattern("ruff", rf"{_PLACE}:\d+:\d+: (?:[A-Z]{{1,5}}\d{{2,4}}\b|[Ss]yntaxError|invalid-syntax)"),
    Pattern("ruff", r"[A-Z]{1,5}\d{3,4} (?:\[\*\] )?\S.*|invalid-syntax: "),
    Pattern("ruff", r"Would reformat: |would reformat "),
    Pattern("mocha, rspec", r"\s{1,6}1\) \S"),
    Pattern("rspec", r"\s*Failure/Error: "),
    Pattern("rspec", r"rspec \./\S+"),
    Pattern("maven", r"\[ERROR\] \S"),
    Pattern("gradle", r"FAILURE: Build failed"),
    Pattern("gradle", r"> Task \S+ FAILED"),
    Pattern("gradle", r"e: \S"),
    Pattern("java", r"Exception in thread \""),
    Pattern("java", rf"{_PLACE}\.java:\d+: error: "),
    Pattern("shell", rf"{_SHELL}: (?:command )?not found$"),
    Pattern("shell", rf"{_SHELL}: (?:[Pp]ermission denied|No such file or directory)$"),
    Pattern("shell", r"\S+: (?:line )?\d+: (?:syntax error|Syntax error|.{1,100}: unbound variable)"),
    Pattern("python", r"Traceback \(most recent call last\):"),
    Pattern("python", r"\S*python[\d.]*: (?:can't open file|No module named)"),
    Pattern("python", r"ERROR: (?:Could not|No matching|Cannot|Failed|Package|Ignored|Invalid)"),
    Pattern("git", r"fatal: "),
    Pattern("apt", r"E: \S"),
    Pattern("docker", r"ERROR: (?:failed to|process)"),
    Pattern("note", r"::error[ :]|##\[error\]|##vso\[task\.logissue type=error"),
    Pattern("killed", rf"(?:.*: )?(?:\s+\d+ )?(?:{_DIED})(?:$| +\S)"),
    Pattern("test", r"not ok \d+"),
    Pattern("output", r"(?:.{0,80}?[\s:\[(])?(?i:error|fatal|failed|failure|exception)\b[:\])!]", sure=False),
    Pattern("output", r"(?:FAILED|FAILURE|panicked|Uncaught|Unhandled)\b", sure=False),
    Pattern("output", r"(?:.{0,80}?\s)?(?:ERROR|FATAL|CRITICAL)\b", sure=False),
)  # fmt: skip

LONGEST = 400
"""Characters of a line that are looked at."""

_HARMLESS = re.compile(
    r".*\b(?:(?:0|no) (?:errors?|failures?|failed)|(?:errors?|failed|failures?)[:=] ?0)\b", re.IGNORECASE
)
_GROUPED = {f"p{number}": each for number, each in enumerate(PATTERNS)}


def _either(sure: bool) -> str:
    return "|".join(f"(?P<{name}>{each.pattern})" for name, each in _GROUPED.items() if each.sure is sure)


_SURE, _UNSURE = re.compile(_either(True)), re.compile(_either(False))


def looks_like_an_error(text: str) -> Match | None:
    """text: a line as it is read, without escape sequences."""
    text = text[:LONGEST].rstrip()
    found = _SURE.match(text)
    if found is None and not _HARMLESS.match(text):
        found = _UNSURE.match(text)
    if found is None:
        return None
    pattern = _GROUPED[str(found.lastgroup)]
    return Match(pattern.tool, pattern.sure)
