"""Searches everything a secret could have been left in: files, other processes' arguments and environment."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote


def forms(secret: bytes) -> list[bytes]:
    """As it is, in Base64 at each of its three places, in hexadecimal, and as in a URL."""
    spelled = [b64encode(bytes(skip) + secret)[skip + 2 : -4] for skip in range(3)]
    return [secret, *spelled, secret.hex().encode(), quote(secret).encode()]


def places(*directories: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the directories, and what `/proc` tells anybody of every process but this one."""
    for directory in directories:
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not path.is_symlink():
                with suppress(FileNotFoundError):  # what is written anew at that moment
                    yield str(path), path.read_bytes()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            for name in ("cmdline", "environ"):
                try:
                    yield str(process / name), (process / name).read_bytes()
                except OSError:
                    continue  # it has ended, or hides from us


def found(secrets: Iterable[bytes], where: Iterable[tuple[str, bytes]]) -> list[str]:
    """The places that hold one of the secrets, in any form."""
    needles = [form for secret in secrets for form in forms(secret)]
    assert all(len(needle) >= 12 for needle in needles), "too short to be found on purpose only"
    return [place for place, content in where if any(needle in content for needle in needles)]
