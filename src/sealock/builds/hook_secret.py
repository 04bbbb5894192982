"""What a project's hook signs its pushes with. It is worked out anew each time and kept nowhere: who reads
the database, or a backup of it, can sign nothing."""

from __future__ import annotations

import hmac
from hashlib import sha256

from sealock.core.secret import Secret

LEAST_KEY = 32
"""Bytes of the installation's key for hooks."""

KEPT_FOR = 24 * 3600.0
"""Seconds for which the secret before the last change is taken still."""


def derive_hook_secret(key: Secret, project: str, version: int) -> Secret:
    """The hook's secret of that version, from 1, of the project of that id: 64 hexadecimal digits, as they
    are shown and as they sign. key: the installation's, from a file of its own. ValueError for a short
    one."""
    value = key.reveal()
    if len(value) < LEAST_KEY or version < 1:
        raise ValueError("a key for hooks that is too short, or a version below 1")
    bound = f"sealock hook v1\0{project}\0{version}".encode()
    return Secret(hmac.new(value, bound, sha256).hexdigest().encode())
