"""What may be wrong with the way to a server, as errors that say what to do next.

its name, its port, the network     TemporaryError
the certificate it shows            NotTrusted, by what is wrong with it
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

import httpx2

from sealock.core.errors import PermanentError, SealockError, TemporaryError

EXPIRED, NOT_YET, OTHER_NAME = 10, 9, 62
"""OpenSSL's numbers."""


class NotTrusted(PermanentError):
    """What answers there does not show a certificate of the authority we trust."""


def of_transport(error: httpx2.TransportError, url: str) -> SealockError:
    """The error of a way there that does not work."""
    found = list(_causes(error))
    untrusted = next((one for one in found if isinstance(one, ssl.SSLCertVerificationError)), None)
    if untrusted is not None:
        return _not_trusted(untrusted, url)
    seen = next((one for one in found if isinstance(one, OSError) and one.strerror), error)
    return TemporaryError(
        f"{url} cannot be reached",
        details=_seen(seen) or type(error).__name__,
        resolution="Is that its address, is it running (`sealock up` there), is this host on its network? "
        "Sign in elsewhere with `sealock login URL`, or give it up with `sealock logout --forget`.",
    )


def _seen(error: BaseException) -> str:
    """As this host puts it."""
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return str(error)


def _not_trusted(error: ssl.SSLCertVerificationError, url: str) -> NotTrusted:
    seen = error.verify_message or str(error)
    if error.verify_code in (EXPIRED, NOT_YET):
        return NotTrusted(
            f"The certificate of {url} is not valid at this time",
            details=seen,
            resolution="Is the clock of this host right? Else whoever runs the server has to renew "
            "the certificate.",
        )
    if error.verify_code == OTHER_NAME:
        return NotTrusted(
            f"The certificate of {url} is for another name",
            details=seen,
            resolution="Sign in at the address the server is configured with, its setting `origin`: "
            "sealock login URL",
        )
    return NotTrusted(
        f"What answers at {url} is not the server you signed in to, or its certificate has changed",
        details=seen,
        resolution="Compare with `sealock authority` on the server; if it was replaced there, "
        f"sign in again: sealock login {url}",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to an error, from itself to the first; of several tries that failed together, the first."""
    found: BaseException | None = error
    while found is not None:
        yield found
        several = found.exceptions if isinstance(found, BaseExceptionGroup) else ()
        found = found.__cause__ or found.__context__ or (several[0] if several else None)
