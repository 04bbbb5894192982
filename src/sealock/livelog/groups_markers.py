"""The markers with which scripts written for other systems divide their output, one line at a time.

GitHub       ::group::NAME … ::endgroup::
Azure        ##[group]NAME … ##[endgroup]
GitLab       section_start:TIME:NAME[collapsed=true]\\rHEADER … section_end:TIME:NAME\\r
Buildkite    --- NAME, ~~~ NAME, +++ NAME (open), each up to the next; ^^^ +++ opens the one it is in
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sealock.livelog.ansi import plain
from sealock.livelog.ansi_signs import made_visible

LONGEST_NAME = 200
"""Characters of a name that are shown."""

_LONGEST_MARKER = 2000  # bytes of a line that are looked at
_MAY_BE = re.compile(
    rb"\s*(?:\x1b\[[0-9;]*[mK])*(?:::(?:end)?group::|##\[|section_|--- |\+\+\+ |~~~ |\^\^\^ \+)"
)
_ESCAPES = re.compile(rb"^\s*(?:\x1b\[[0-9;]*[mK])*")
_BEGIN = re.compile(rb"(?:::group::|##\[group\])(.*)", re.DOTALL)
_END = re.compile(rb"(?:::endgroup::|##\[endgroup\])")
_SECTION = re.compile(
    rb"section_(start|end):\d{1,20}:([\w.-]{1,200})(?:\[([^\]\r]*)\])?(?:\r(.*)|$)", re.DOTALL
)
_STEP = re.compile(rb"(---|\+\+\+|~~~) (.*)", re.DOTALL)
_OPEN = re.compile(rb"\^\^\^ \+\+\+\s*$")
_GO_TEST = re.compile(rb"--- (?:PASS|FAIL|SKIP|BENCH): ")


@dataclass(frozen=True)
class Marker:
    """kind: `begin`, `end`, or `open`, which opens the group it is in. family: whose marker it is; groups
    of `section` end by key. name: as it is shown. is_open: whether the group is shown open."""

    kind: str
    family: str
    name: str = ""
    key: str = ""
    is_open: bool = False


def marker(data: bytes) -> Marker | None:
    """What this line marks, if anything."""
    if not _MAY_BE.match(data):
        return None
    if data[:4] in {b"--- ", b"+++ ", b"~~~ ", b"^^^ "}:
        return _step(data[:_LONGEST_MARKER])
    data = _ESCAPES.sub(b"", data[:_LONGEST_MARKER])
    if found := _BEGIN.match(data):
        return Marker("begin", "group", _name(found[1]))
    if _END.match(data):
        return Marker("end", "group")
    if found := _SECTION.match(data):
        return _section(found)
    return None


def _step(data: bytes) -> Marker | None:
    if _OPEN.match(data):
        return Marker("open", "step")
    found = _STEP.match(data)
    if found is None or _GO_TEST.match(data) or not (name := _name(found[2])):
        return None
    return Marker("begin", "step", name, is_open=found[1] == b"+++")


def _section(found: re.Match[bytes]) -> Marker:
    key = found[2].decode(errors="replace")
    if found[1] == b"end":
        return Marker("end", "section", key=key)
    is_open = b"collapsed=true" not in (found[3] or b"")
    return Marker("begin", "section", _name(found[4] or b"") or key, key, is_open)


def _name(data: bytes) -> str:
    return made_visible(plain(data)).strip()[:LONGEST_NAME]
