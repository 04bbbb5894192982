"""TLS between the keeper and other hosts: version 1.3, certificates on both sides, files nobody else changes.

Both sides believe one authority of their own and no other. That a certificate is that authority's lets its
holder finish a handshake; who they are, the keeper reads from the very certificate (`keeper.peers`).
"""

from __future__ import annotations

import os
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import SealockError, UsageError
from sealock.core.files import read_secret_file
from sealock.core.secret import Secret

HANDSHAKE = 10.0
"""Seconds for TLS to be agreed on, on either side."""

LONGEST_KEY = 64 * 1024
"""Bytes of a private key's file."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files. certificate: one's own, with its chain. authority: whose certificates are believed."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def of(cls, directory: Path) -> TlsFiles:
        """As they are called in a directory of settings."""
        return cls(directory / "certificate.pem", directory / "key.pem", directory / "authority.pem")


def server_tls(files: TlsFiles) -> ssl.SSLContext:
    """What the keeper listens with: whoever connects needs a certificate. UsageError if the files are
    missing, do not belong together or could be another's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _with(context, files)


def client_tls(files: TlsFiles) -> ssl.SSLContext:
    """What the keeper is asked with: its certificate must name the host that was asked. As `server_tls`."""
    return _with(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)


def _with(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        _refuse_unsafe(files)
        context.load_cert_chain(files.certificate, files.key, _no_passphrase)
        context.load_verify_locations(files.authority)
    except (OSError, SealockError) as error:  # of a wrong certificate the ssl.SSLError is one too
        raise UsageError(
            f"there is no TLS with the files in {files.certificate.parent}",
            details=_told(error),
            resolution="certificate.pem and its key.pem belong together, authority.pem is the authority of "
            "both sides. All are files of the user who starts Sealock, that nobody else can change, and "
            "key.pem has mode 0400 or 0600.",
        ) from error
    return context


def _no_passphrase() -> str:
    """Asked for one, OpenSSL would wait at the terminal."""
    raise UsageError("the key is under a passphrase; its file shall hold it without")


def _refuse_unsafe(files: TlsFiles) -> None:
    """Who can read the key can pass for us, who can change the authority can pass for the other side."""
    Secret(read_secret_file(files.key, longest=LONGEST_KEY)).forget()
    for path in (files.certificate, files.authority):
        found = path.stat()
        if found.st_uid not in (os.geteuid(), 0) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UsageError(f"{path} can be changed by somebody else")


def _told(error: OSError | SealockError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"{error.reason or error}".replace("_", " ").lower()
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return f"{error.brief}: {error.details}" if error.details else error.brief
