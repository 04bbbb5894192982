"""Where a passphrase comes from: a file that nobody else can read, or the person at the terminal."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import read_secret_file
from sealock.core.secret import Secret

LONGEST_PASSPHRASE = 4096


def read_passphrase(path: Path) -> Secret:
    """The first line of a secret file. PermanentError if it is missing or others can read it."""
    try:
        return Secret(read_secret_file(path, longest=LONGEST_PASSPHRASE).split(b"\n")[0].rstrip(b"\r"))
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is no passphrase in {path}",
            resolution="Have systemd put it there (LoadCredentialEncrypted=), or write it yourself with mode "
            "0400.",
        ) from error


def ask_passphrase() -> Secret:
    """What the person at the terminal types, unseen. UsageError if there is no person."""
    if not sys.stdin.isatty():
        raise UsageError(
            "the passphrase of the key-encryption keys is needed, and there is nobody to ask",
            resolution="Set key_passphrase_file to a file that holds it, such as a systemd credential.",
        )
    return Secret(getpass.getpass("Passphrase of the key-encryption keys: ").encode())
