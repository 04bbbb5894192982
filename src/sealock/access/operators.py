"""Checks the certificate an operator brings, before the website starts with it.

A browser would refuse what is checked here, each of thousands of times, without telling the operator.
"""

from __future__ import annotations

import os
import ssl
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography import x509

from sealock.access.certificates import why_not_for, why_not_in_time
from sealock.core.certificate import Certificate
from sealock.core.errors import PermanentError


def operators_certificate(
    chain: Path, key: Path, hosts: Sequence[str], clock: Callable[[], float] = time.time
) -> Certificate:
    """The certificate, once it is known to be in time, for each of the hosts, of this key, and the key to
    be nobody else's. PermanentError otherwise. clock: seconds since 1970."""
    _refuse_shared_key(key)
    leaf = _leaf(chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without a word for it, a key under a passphrase would be asked for at the terminal.
        server.load_cert_chain(chain, key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _refused(chain, f"{key} is not its key, or cannot be read: {error}") from error
    if why := why_not_in_time(leaf, clock()):
        raise _refused(chain, why)
    for host in hosts:
        if why := why_not_for(leaf, server, host):
            raise _refused(chain, why)
    return Certificate(chain, key)


def _leaf(chain: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(chain.read_bytes())
    except (OSError, ValueError) as error:
        raise _refused(chain, f"it is no certificate in PEM: {error}") from error


def _refuse_shared_key(key: Path) -> None:
    """Ours and mode 0600, or root's and at most 0640: for a key that several services of a host share by a
    group. A link is followed, as certificate tools make them."""
    try:
        found = key.stat()
    except OSError as error:
        raise _refused(key, f"it cannot be read: {error.strerror}") from error
    mode, allowed = stat.S_IMODE(found.st_mode), 0o640 if found.st_uid == 0 else 0o600
    if (
        not stat.S_ISREG(found.st_mode)
        or found.st_uid not in (os.geteuid(), 0)
        or mode & 0o777 & ~allowed & 0o077
    ):
        raise PermanentError(
            f"The private key {key} is not safe to use",
            details=f"others may read or change it: owner {found.st_uid}, mode {mode:04o}",
            resolution="If nobody else can have read it, chmod 0600 it; otherwise have a new one certified.",
        )


def _refused(path: Path, why: str) -> PermanentError:
    return PermanentError(
        f"The website's certificate {path} cannot be used",
        details=why,
        resolution="Replace it, or configure none to use one of the installation's own authority.",
    )
