"""A secret is found in whatever spelling the field's own tools write it in."""

from __future__ import annotations

import html
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import urllib.parse
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.secret import Secret
from sealock.livelog.mask import StreamMasker
from sealock.livelog.mask_gaps import FEWEST_BEFORE_A_BREAK
from sealock.livelog.spellings import SHORTEST, spell

TOKEN = b"s3cr3t-T0ken/+with=signs"
AWKWARD = 'p4ss "w\'ord" $HOME `id` \\ <&> ünï/✓'.encode()
LINES = b"first line of it\nsecond 'line' of it\n\nlast one"
BINARY = bytes(range(256))


def masked(secret: bytes, printed: bytes) -> bytes:
    masker = StreamMasker()
    masker.add("TOKEN", Secret(secret))
    return masker.feed(printed) + masker.finish()


def stars(text: bytes) -> bytes:
    """What is left of a text that is masked whole: its newlines."""
    return b"\n".join(b"***" if line else b"" for line in text.split(b"\n"))


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda value: value,
    "base64": b64encode,
    "base64 of a line": lambda value: b64encode(value + b"\n"),
    "base64 for URLs": urlsafe_b64encode,
    "base64 without padding": lambda value: b64encode(value).rstrip(b"="),
    "hex": lambda value: value.hex().encode(),
    "HEX": lambda value: value.hex().upper().encode(),
    "URL": lambda value: urllib.parse.quote(value).encode(),
    "URL by RFC 3986": lambda value: urllib.parse.quote(value, safe="").encode(),
    "URL component": lambda value: urllib.parse.quote(value, safe="!'()*").encode(),
    "URL in small letters": lambda value: _small_escapes(urllib.parse.quote(value, safe="")),
    "URL with +": lambda value: urllib.parse.quote_plus(value).encode(),
    "whole URL": lambda value: urllib.parse.quote(value, safe="!'()*;,/?:@&=+$#").encode(),
    "form": lambda value: urllib.parse.quote_plus(value, safe="*").replace("~", "%7E").encode(),
}
TEXT_ENCODERS: dict[str, Callable[[str], str]] = {
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON with \\u00FC": lambda value: re.sub(
        r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), json.dumps(value)[1:-1]
    ),
    "JSON for HTML": lambda value: (
        json.dumps(value, ensure_ascii=False)[1:-1]
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    ),
    "JSON with \\/": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "shlex": lambda value: shlex.quote(value).strip("'"),
}


def _small_escapes(text: str) -> bytes:
    return b"".join(
        part[:3].lower() + part[3:] if part.startswith(b"%") else part for part in _at_percent(text.encode())
    )


def _at_percent(text: bytes) -> list[bytes]:
    first, *rest = text.split(b"%")
    return [first, *(b"%" + part for part in rest)]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(
    "secret",
    [TOKEN, TOKEN[:10], TOKEN[:11], b"s1~g/n*s'!(9)", AWKWARD, LINES, BINARY],
    ids=["token", "ten", "eleven", "signs", "awkward", "lines", "binary"],
)
def test_every_spelling_of_bytes_is_masked_whole(encoder: str, secret: bytes) -> None:
    encoded = ENCODERS[encoder](secret)
    assert masked(secret, b"before [" + encoded + b"] after") == b"before [" + stars(encoded) + b"] after"


@pytest.mark.parametrize("secret", [LINES, LINES.replace(b"\n", b"\r\n")])
def test_either_end_of_line_is_masked(secret: bytes) -> None:
    for printed in (LINES, LINES.replace(b"\n", b"\r\n")):
        assert masked(secret, b"[" + printed + b"]") == b"[" + stars(printed) + b"]"


@pytest.mark.parametrize("encoder", TEXT_ENCODERS)
@pytest.mark.parametrize("secret", [TOKEN, AWKWARD, LINES], ids=["token", "awkward", "lines"])
def test_every_spelling_of_text_is_masked_whole(encoder: str, secret: bytes) -> None:
    encoded = TEXT_ENCODERS[encoder](secret.decode()).encode()
    assert masked(secret, b"before [" + encoded + b"] after") == b"before [" + stars(encoded) + b"] after"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=9), st.binary(min_size=6, max_size=300), st.binary(max_size=9))
def test_base64_is_found_behind_anything_and_before_anything(
    before: bytes, secret: bytes, after: bytes
) -> None:
    if len(secret.strip()) < 6 or len(set(secret)) < 4:
        return
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(before + secret + after)
        shown = masked(secret, b"<" + encoded + b">")[1:-1]
        # At each edge at most one whole group of four characters, and the neighbours, stay readable.
        neighbours = len(b64encode(before)) + len(b64encode(after))
        assert b"***" in shown
        assert len(shown.replace(b"***", b"")) <= neighbours + 8 + _blank(secret) * 2


def _blank(secret: bytes) -> int:
    return len(secret) - len(secret.strip())


@pytest.mark.parametrize("length", [200, 5000, 60_000])
@pytest.mark.parametrize("width", [64, 76])
def test_long_base64_is_masked_when_it_is_wrapped(width: int, length: int) -> None:
    secret = random.Random(7).randbytes(length)
    encoded = b64encode(secret)
    lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
    assert masked(secret, b"\n".join(lines) + b"\n") == b"***\n" * len(lines)


@pytest.mark.parametrize("length", [20, 40, 200, 900])
@pytest.mark.parametrize("width", [64, 76])
def test_base64_behind_something_is_masked_wherever_a_line_ends(width: int, length: int) -> None:
    """As `printf 'Bearer %s' "$TOKEN" | base64` prints it."""
    secret = b"s" + random.Random(7).randbytes(length).replace(b"\n", b"+") + b"t"
    masker = StreamMasker()
    masker.add("S", Secret(secret))
    for before, after in product(range(1, 60), [0, 1, 40]):
        encoded = b64encode(b"B" * before + secret + b"A" * after)
        lines = [encoded[start : start + width] for start in range(0, len(encoded), width)]
        shown = masker.feed(b"\n".join(lines) + b"\n") + masker.finish()
        left = shown.replace(b"***", b"").replace(b"\n", b"")
        # At each edge one group of four characters, and a few before the end of the first line.
        neighbours = len(b64encode(b"B" * before)) + len(b64encode(b"A" * after))
        assert len(left) <= neighbours + 8 + FEWEST_BEFORE_A_BREAK, (before, after)


BASH = shutil.which("bash") or "bash"
SHELL_WAYS = {
    "trace": 'set -x; : "$V"',
    "printf": 'printf %q "$V"',
    "declare": "declare -p V",
    "export": "export -p",
    "operator": 'echo "${V@Q}"',
    "echo to base64": 'echo "$V" | base64',
    "printf to base64": 'printf %s "$V" | base64 -w0',
    "xxd": 'printf %s "$V" | od -An -v -tx1 | tr -d " \\n"',
}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("way", SHELL_WAYS)
@pytest.mark.parametrize(
    "secret",
    [TOKEN, AWKWARD, LINES, b"tab\tand\x1bescape,{a}~b#c!", b"a'b'c \x01 \xc3\xbc"],
    ids=["token", "awkward", "lines", "control", "quotes"],
)
def test_what_a_shell_prints_of_it_is_masked(way: str, secret: bytes, locale: str) -> None:
    done = subprocess.run(
        [BASH, "--norc", "-c", SHELL_WAYS[way]],
        env={b"V": secret, b"LC_ALL": locale.encode(), b"PATH": os.environb[b"PATH"]},
        capture_output=True,
        timeout=20,
        check=True,
    )
    printed = done.stdout + done.stderr
    shown = masked(secret, printed)
    assert b"***" in shown
    # Nothing but what surrounds it is left: no run of it that says anything.
    left = shown.split(b"***")
    assert not any(secret[start : start + 6] in part for part in left for start in range(len(secret) - 6))
    assert len(b"".join(left)) <= len(printed) - len(secret)


def test_each_line_of_a_secret_is_one_of_its_own() -> None:
    assert masked(LINES, b"x\n  second 'line' of it\nlast one\nz") == b"x\n  ***\n***\nz"


def test_a_private_key_is_masked_whole_and_by_lines() -> None:
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    assert masked(key, b"<" + key + b">") == b"<" + stars(key) + b">"
    for line in key.splitlines():
        assert masked(key, b"a " + line + b"\n b") == b"a ***\n b"


def test_a_ruled_line_in_a_secret_does_not_mask_every_ruled_line() -> None:
    secret = b"# settings\n# " + b"-" * 200 + b"\npassword = hunter2-hunter2\n"
    ruled = b"=" * 70 + b"\n" + b"-" * 150 + b"\n"
    assert masked(secret, ruled) == ruled
    assert b"hunter2" not in masked(secret, secret)


@pytest.mark.parametrize("value", [b"", b" \n", b"abc", b"  abc \r\n"])
def test_what_is_too_short_is_not_masked_and_says_so(value: bytes) -> None:
    masker = StreamMasker()
    warning = masker.add("PIN", Secret(value))
    assert warning is not None and "PIN" in warning and "not masked" in warning
    assert masker.feed(b"abc " + value) == b"abc " + value


@pytest.mark.parametrize("value", [b"true", b" False\n", b"production", b"0000", b"-----"])
def test_a_word_that_stands_in_every_log_is_not_masked_and_says_so(value: bytes) -> None:
    masker = StreamMasker()
    warning = masker.add("FLAG", Secret(value))
    assert warning is not None and "FLAG" in warning and "too common" in warning
    assert value.decode().strip() not in warning
    printed = b"true False production 0000 ------ " + b64encode(value)
    assert masker.feed(printed) + masker.finish() == printed


def test_a_word_that_is_one_line_of_a_secret_is_not_masked_elsewhere() -> None:
    assert masked(b"user=x7Qm2\ntrue\nroot\n", b"it is true, root: user=x7Qm2") == b"it is true, root: ***"


def test_a_very_long_secret_is_masked_as_it_is_and_in_base64_and_says_what_is_not() -> None:
    secret = random.Random(7).randbytes(1 << 20)
    masker = StreamMasker()
    warning = masker.add("KEYSTORE", Secret(secret))
    assert warning is not None and "KEYSTORE" in warning
    encoded = b64encode(secret)
    wrapped = b"\n".join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    for printed in (secret, encoded, wrapped, secret.hex().encode()):
        assert masker.feed(b"<" + printed + b">") + masker.finish() == b"<" + stars(printed) + b">"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=2000))
def test_no_spelling_is_short(value: bytes) -> None:
    assert all(len(text) >= SHORTEST for text in spell("X", value).texts)


def test_html_is_not_promised() -> None:
    """Written down because it is easy to believe otherwise: see docs/logs.md."""
    assert masked(AWKWARD, html.escape(AWKWARD.decode()).encode()) != b"***"
