"""How fast output is masked, sealed, opened and searched, on one core."""

from __future__ import annotations

import os
import random
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.rows import Row, row
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.format import CHUNK_OUTPUT
from sealock.livelog.mask import StreamMasker
from sealock.livelog.spellings import spell

RUNS = 5
MEGABYTES = 16
PIECE = 32 * 1024
"""Bytes that one reading of a command's output brings, when there is much."""

BUILD = "0" * 32
WORDS = ["the", "of", "test", "build", "error", "warning", "compiling", "object", "0x7f31", "at", "in"]


def measure(_: list[Row]) -> list[Row]:
    """Megabytes a second of ordinary output; seconds for a search through 100,000 lines."""
    output = _ordinary_output(random.Random(1), MEGABYTES * 1_000_000)
    return [*_masking(output), *_sealing(output)]


def _ordinary_output(chance: random.Random, size: int) -> bytes:
    """Lines as tools print them: words, times, paths, digests, progress."""
    lines: list[bytes] = []
    while size > 0:
        words = " ".join(chance.choices(WORDS, k=9))
        line = chance.choice(
            [
                f"2026-03-01T12:{chance.randrange(60):02}:{chance.randrange(60):02}Z INFO {words}",
                f"tests/unit/test_{chance.choice(WORDS)}.py::test_{chance.randrange(999)} PASSED",
                f"sha256:{chance.randbytes(32).hex()}  target/debug/deps/lib{chance.choice(WORDS)}.rlib",
                words,
            ]
        ).encode()
        lines.append(line)
        size -= len(line) + 1
    return b"\n".join(lines) + b"\n"


def _masking(output: bytes) -> list[Row]:
    chance = random.Random(2)
    tokens = [b64encode(chance.randbytes(24)) for _ in range(5)]
    # As long and as many lines as the file of a private key.
    key = b"\n".join(b64encode(chance.randbytes(48)) for _ in range(50))
    replaced = [_rate(lambda: _replace_each(output[: len(output) // 8], tokens), len(output) // 8)]
    each = row("replace_each_spelling", "MB/s", replaced)
    few = [_rate(lambda: _mask(output, tokens), len(output)) for _ in range(RUNS)]
    long = [_rate(lambda: _mask(output, [*tokens, key]), len(output)) for _ in range(RUNS)]
    coloured = _coloured(output[: len(output) // 8])
    bright = [_rate(lambda: _mask(coloured, tokens), len(coloured)) for _ in range(RUNS)]
    return [
        row("mask_tokens", "MB/s", few, baseline=each.value, against="bytes.replace of each spelling"),
        row("mask_tokens_and_key_file", "MB/s", long),
        row("mask_tokens_in_colours", "MB/s", bright),
    ]


def _coloured(output: bytes) -> bytes:
    """Every word in a colour, which is more than any tool does."""
    return b" ".join(b"\x1b[01;31m" + word + b"\x1b[m" for word in output.split(b" "))


def _mask(output: bytes, secrets: list[bytes]) -> None:
    masker = StreamMasker()
    for number, secret in enumerate(secrets):
        masker.add(str(number), Secret(secret))
    for start in range(0, len(output), PIECE):
        masker.feed(output[start : start + PIECE])
    masker.finish()


def _replace_each(output: bytes, secrets: list[bytes]) -> None:
    """Finds nothing that is split between two pieces, and waits for nothing."""
    texts = [text for secret in secrets for text in spell("", secret).texts]
    for start in range(0, len(output), PIECE):
        piece = output[start : start + PIECE]
        for text in texts:
            piece = piece.replace(text, b"***")


def _sealing(output: bytes) -> list[Row]:
    lines = output.count(b"\n")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sealock-bench-") as directory:
        logs, key = LogFiles(Path(directory)), Secret(os.urandom(32))
        alone = [_rate(lambda: _encrypt(output), len(output)) for _ in range(RUNS)]
        sealed = [_rate(lambda: _seal(Path(directory), key, output), len(output)) for _ in range(RUNS)]
        with logs.open(BUILD, key) as reader:
            opened = [_rate(reader.summary, len(output)) for _ in range(RUNS)]
            read = [_seconds(lambda: reader.read(lines // 2, 1000)) for _ in range(RUNS)]
            searched = [
                _seconds(lambda: reader.search("no such text")) * 100_000 / lines for _ in range(RUNS)
            ]
    cipher = row("aes_gcm_alone", "MB/s", alone)
    return [
        row("seal_log", "MB/s", sealed, baseline=cipher.value, against="AES-256-GCM alone"),
        row("open_log", "MB/s", opened, baseline=cipher.value, against="AES-256-GCM alone"),
        row("read_1000_lines_of_sealed_log", "s", read),
        row("search_100000_lines_of_sealed_log", "s", searched),
    ]


def _encrypt(output: bytes) -> None:
    cipher = AESGCM(os.urandom(32))
    for number, start in enumerate(range(0, len(output), CHUNK_OUTPUT)):
        cipher.encrypt(number.to_bytes(12, "big"), output[start : start + CHUNK_OUTPUT], None)


def _seal(directory: Path, key: Secret, output: bytes) -> None:
    (directory / f"{BUILD}.log").unlink(missing_ok=True)
    writer = LogFiles(directory).create(BUILD, key)
    for start in range(0, len(output), PIECE):
        writer.write(output[start : start + PIECE])
    writer.close()


def _rate(work: Callable[[], object], size: int) -> float:
    return size / 1e6 / _seconds(work)


def _seconds(work: Callable[[], object]) -> float:
    """Of this process's own time, so that others on the host do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start
