"""Where a passphrase comes from: a file that nobody else can read, or the person at the terminal.

What systemd hands a service as a credential is root's, readable for the service's user by an access list,
whose mask stands where the rights of the group do: the file shows mode 0440 though no group can read it.
"""

from __future__ import annotations

import getpass
import os
import stat
import sys
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import read_secret_file
from sealock.core.secret import Secret

LONGEST_PASSPHRASE = 4096
ROOT = 0
ACCESS_LIST = 0o440
"""What the mode of a credential looks like."""


def read_passphrase(path: Path) -> Secret:
    """The first line of a secret file, or of a credential of systemd's. PermanentError if it is missing or
    others can read it."""
    try:
        content = _read_credential(path)
        if content is None:
            content = read_secret_file(path, longest=LONGEST_PASSPHRASE)
        return Secret(content.split(b"\n")[0].rstrip(b"\r"))
    except FileNotFoundError as error:
        raise PermanentError(
            f"there is no passphrase in {path}",
            resolution="Have systemd put it there (LoadCredentialEncrypted=), or write it yourself with mode "
            "0400.",
        ) from error


def _read_credential(path: Path) -> bytes | None:
    """What is in a file that systemd made for this service; None if it is another. FileNotFoundError."""
    if str(path.parent) != os.environ.get("CREDENTIALS_DIRECTORY"):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        found, directory = os.fstat(descriptor), path.parent.stat()
        by_list = stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == ACCESS_LIST
        roots = found.st_uid == directory.st_uid == ROOT and not directory.st_mode & 0o022
        whole = found.st_size <= LONGEST_PASSPHRASE
        return file.read(LONGEST_PASSPHRASE) if by_list and roots and whole else None


def ask_passphrase() -> Secret:
    """What the person at the terminal types, unseen. UsageError if there is no person."""
    if not sys.stdin.isatty():
        raise UsageError(
            "the passphrase of the key-encryption keys is needed, and there is nobody to ask",
            resolution="Set key_passphrase_file to a file that holds it, such as a systemd credential.",
        )
    return Secret(getpass.getpass("Passphrase of the key-encryption keys: ").encode())
