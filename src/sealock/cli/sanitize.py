"""Makes what a guest printed safe to show in a terminal.

A build's output is a stranger's bytes. In a terminal they could move the cursor over our own lines,
set the window's title, fill the clipboard or make the terminal answer. Here only text, line ends, tabs
and (where wanted) colours pass; everything else is taken out. It works on a stream: a sequence cut in
two between pieces is seen whole. No sequence can hide what follows it: one without an end is given up
at the end of its line or after 4096 characters.
"""

from __future__ import annotations

import codecs
import re

_LONGEST_STRING = 4096
RESET = "\x1b[0m"

# Bytes of string sequences (OSC, DCS, APC, PM, SOS). Neither control characters nor the introducers of
# other sequences belong to them, which keeps every search below linear in its input.
_STRING = rf"[^\x00-\x06\x08-\x1f\x07\x7f-\x9f]{{0,{_LONGEST_STRING}}}"
_PARAMETERS = r"[0-?]{0,64}[ -/]{0,8}"
_CSI = r"(?:\x1b\[|\x9b)"
_STRING_START = r"(?:\x1b[PX^_\]]|[\x90\x98\x9d-\x9f])"

_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SEQUENCE = re.compile(
    rf"{_CSI}{_PARAMETERS}[@-~]"
    rf"|{_STRING_START}{_STRING}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,8}[0-~]"
    r"|\r\n?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_COLOUR = re.compile(rf"{_CSI}([0-9;:]*)m")
# The beginning of a sequence at the end of a piece: kept back until the next piece comes.
_UNFINISHED = re.compile(rf"(?:{_CSI}{_PARAMETERS}|{_STRING_START}{_STRING}\x1b?|\x1b[ -/]{{0,8}}|\r)\Z")


class Sanitizer:
    """One stream of output. colour: whether colours (SGR sequences) pass."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._coloured = False
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._kept = ""

    def feed(self, data: bytes) -> str:
        """The safe text of the next piece. Invalid UTF-8 becomes U+FFFD; a lone CR a line end."""
        text = self._kept + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        cut = unfinished.start() if unfinished else len(text)
        self._kept = text[cut:]
        return self._clean(text[:cut])

    def finish(self) -> str:
        """What was kept back, made safe, and the end of any colour. The next piece starts anew."""
        text = self._clean(self._kept + self._decoder.decode(b"", final=True))
        self._decoder.reset()
        self._kept = ""
        if self._coloured:
            text += RESET
            self._coloured = False
        return text

    def _clean(self, text: str) -> str:
        return _SEQUENCE.sub(self._replace, text) if _UNSAFE.search(text) else text

    def _replace(self, match: re.Match[str]) -> str:
        found = match[0]
        if found[0] == "\r":
            return "\n"
        colour = _COLOUR.fullmatch(found) if self._colour else None
        if colour is None:
            return ""
        self._coloured = True
        return f"\x1b[{colour[1]}m"


def printable(text: str) -> str:
    """Text from elsewhere as one line, without anything a terminal would act on."""
    safe = Sanitizer(colour=False).feed(text.encode(errors="replace") + b"\n")
    return " ".join(safe.splitlines())
