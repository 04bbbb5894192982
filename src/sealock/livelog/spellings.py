"""The ways a secret may stand in what a build prints.

A value is rarely printed as it is: a trace of the shell quotes it, a debugging request escapes it, a
header carries it in Base64 behind a user's name. Each way is a text to look for.
"""

from __future__ import annotations

import json
import re
import string
from base64 import b64encode
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from sealock.core import masking
from sealock.core.masking import is_common, why_not_masked

SHORTEST = masking.SHORTEST_MASKED
"""Bytes, of a spelling or a line as of a whole secret."""

FEWEST_BYTES = 4
"""Different ones. A stretch with fewer, such as a ruled line in a comment, gives nothing away."""

LONGEST_SPELLED = 64 * 1024
"""Bytes. Of a secret longer than this only the likeliest spellings are looked for: it is a file, and all
spellings of a megabyte are a hundred megabytes."""

_ALPHANUMERIC = (string.ascii_letters + string.digits).encode()
# What is left as it is in a URL, by who writes it.
_URL_SAFE = (
    _ALPHANUMERIC + b"_.-~",  # RFC 3986, Python, Go, curl
    _ALPHANUMERIC + b"_.-~/",  # paths
    _ALPHANUMERIC + b"_.-*",  # forms
    _ALPHANUMERIC + b"_.-~!'()*",  # encodeURIComponent
    _ALPHANUMERIC + b"_.-~!'()*;,/?:@&=+$#",  # encodeURI
)
_SHELL_SPECIAL = re.compile(rb"[\t\n !\"$&'()*,;<>?\[\\\]^`{|}]")
_ANSI_C = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r", 27: b"\\E"}
_ANSI_C |= {ord("'"): b"\\'", ord("\\"): b"\\\\"}
_JSON_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")
_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


@dataclass(frozen=True)
class Spelled:
    """texts: what to look for, each of 4 bytes or more. warning: a sentence if that is not everything."""

    texts: frozenset[bytes]
    warning: str | None = None


def spell(name: str, value: bytes) -> Spelled:
    """Every spelling of one secret. name: what the user calls it, for the warning."""
    if (why := why_not_masked(value)) is not None:
        return Spelled(frozenset(), f"The secret {name} is {why}.")
    bare = masking.bare(value)
    if len(bare) <= LONGEST_SPELLED:
        return Spelled(_long_enough(_spellings(value, bare)))
    return Spelled(
        _long_enough(_few_spellings(bare)),
        f"The secret {name} is longer than {LONGEST_SPELLED // 1024} KiB: it is masked as it is, in hex "
        "and in Base64, not in other spellings.",
    )


def _long_enough(texts: Iterable[bytes]) -> frozenset[bytes]:
    return frozenset(text for text in texts if len(text) >= SHORTEST)


def _few_spellings(bare: bytes) -> Iterator[bytes]:
    yield from _as_it_is(bare)
    yield bare.hex().encode()
    yield b64encode(bare)
    yield b64encode(bare + b"\n")


def _spellings(value: bytes, bare: bytes) -> Iterator[bytes]:
    for form in _forms(bare):
        yield from _as_it_is(form)
        yield from _in_hex(form)
        yield from _in_a_url(form)
        yield from _in_json(form)
        yield from _in_a_shell(form)
    # `echo` adds a newline before it is encoded; a file has one at its end.
    for form in {value, *_forms(bare), bare + b"\n"}:
        yield from _in_base64(form)


def _forms(bare: bytes) -> set[bytes]:
    """With either end of line. What holds a NUL is no text and has no lines."""
    if b"\0" in bare:
        return {bare}
    with_newlines = bare.replace(b"\r\n", b"\n")
    return {bare, with_newlines, with_newlines.replace(b"\n", b"\r\n")}


def _as_it_is(form: bytes) -> Iterator[bytes]:
    """Whole, and by lines, but for an ordinary word and a ruled line in a comment."""
    yield form
    for line in _LINE_ENDS.split(form):
        bare = line.strip()
        if not is_common(bare) and (len(set(bare)) >= FEWEST_BYTES or _WORD.search(bare)):
            yield bare


def _in_base64(form: bytes) -> Iterator[bytes]:
    for before in range(3):
        for text in _aligned_base64(form, before):
            yield text
            yield text.translate(bytes.maketrans(b"+/", b"-_"))


def _aligned_base64(form: bytes, before: int) -> Iterator[bytes]:
    """Encoded behind `before` bytes (modulo 3): what is the same whatever those are and whatever follows,
    and the same with an end where nothing follows. Of the bits at either edge that share a character
    with a neighbour's, at most four stay readable."""
    text = b64encode(bytes(before) + form)
    first, behind_last = -(-8 * before // 6), 8 * (before + len(form)) // 6
    yield text[first:behind_last]
    if behind_last < len(text):
        yield text[first:].rstrip(b"=")
        yield text[first:]


def _in_hex(form: bytes) -> Iterator[bytes]:
    text = form.hex().encode()
    yield text
    yield text.upper()


def _in_a_url(form: bytes) -> Iterator[bytes]:
    for safe in _URL_SAFE:
        for pattern in ("%%%02X", "%%%02x"):
            table = [bytes([each]) if each in safe else (pattern % each).encode() for each in range(256)]
            text = b"".join(map(table.__getitem__, form))
            yield text
            if b" " in form:
                yield text.replace(b"%20", b"+")


def _in_json(form: bytes) -> Iterator[bytes]:
    """Inside a string's quotes. What is not UTF-8 is in no JSON document."""
    try:
        text = form.decode()
    except UnicodeDecodeError:
        return
    for ascii_only in (True, False):
        lower = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        upper = _JSON_ESCAPE.sub(_in_capitals, lower)
        for spelling in (lower, upper):
            yield spelling.encode()
            yield spelling.replace("/", "\\/").encode()
            yield _for_html(spelling).encode()


def _in_capitals(found: re.Match[str]) -> str:
    return f"\\u{found[1].upper()}" if found[1] else found[0]


def _for_html(spelling: str) -> str:
    """As Go writes it, safe inside a script element."""
    return spelling.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _in_a_shell(form: bytes) -> Iterator[bytes]:
    yield form.replace(b"'", b"'\"'\"'")
    yield form.replace(b"'", b"'\\''")  # set -x
    yield _SHELL_SPECIAL.sub(rb"\\\g<0>", form)  # printf %q
    yield re.sub(rb'["$`\\]', rb"\\\g<0>", form)  # declare -p
    for printable in (range(32, 127), (*range(32, 127), *range(128, 256))):  # in ASCII and in UTF-8
        yield b"".join(_in_ansi_c(byte, printable) for byte in form)  # of what has control characters


def _in_ansi_c(byte: int, printable: Container[int]) -> bytes:
    """Of `$'…'`."""
    if byte in _ANSI_C:
        return _ANSI_C[byte]
    return bytes([byte]) if byte in printable else b"\\%03o" % byte
