"""How a worker gets its certificate: by a token that works once, made for a worker of that name.

The worker makes its key itself and sends a request for a certificate along with the token. The name comes
from the token, so that who has one for `builder-1` cannot become `builder-2`.

A token's text is `slj_`, what works once, `.`, and the SHA-256 of our authority's certificate: so the worker
knows us before it has ever spoken to us, and shows its token to nobody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from sealock.access.authority import Authority
from sealock.access.one_time import digest_of, new_value
from sealock.core.access import AccessRecords, OneTime, Purpose
from sealock.core.decision import Denied
from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.core.workers import JOIN_PREFIX, WORKER_NAME, CertifiedWorker

JOIN_LIFE = 3600.0
"""Seconds a join token works."""
NO = Denied("This join token does not work, or no longer.")


@dataclass(frozen=True)
class Joining:
    """clock: seconds since 1970."""

    records: AccessRecords
    authority: Authority
    clock: Callable[[], float] = time.time

    async def invite(self, name: str) -> Secret:
        """A token for the worker of that name, in the place of any before. UsageError if it can be none's."""
        if not WORKER_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} cannot be a worker's name", resolution="a-z, 0-9, `.`, `-`.")
        value = new_value()
        until = self.clock() + JOIN_LIFE
        await self.records.add_one_time(OneTime(digest_of(value), Purpose.JOIN, name, until))
        return Secret(f"{JOIN_PREFIX}{value}.{self.authority.fingerprint()}".encode())

    async def join(self, token: str, request: bytes) -> CertifiedWorker | Denied:
        """The worker's name and certificate. UsageError for a request we cannot use, which uses the token up:
        who sends nonsense with a token is not whom it was made for."""
        value, _, fingerprint = token.removeprefix(JOIN_PREFIX).partition(".")
        if not token.startswith(JOIN_PREFIX) or fingerprint != self.authority.fingerprint():
            return NO
        one = await self.records.take_one_time(digest_of(value), Purpose.JOIN, self.clock())
        if one is None:
            return NO
        return CertifiedWorker(one.subject, self.authority.worker_certificate(request, one.subject))

    def renew(self, name: str, request: bytes) -> bytes:
        """A new certificate, PEM, for the worker of that name, which has shown the one it has. UsageError for
        a request we cannot use."""
        return self.authority.worker_certificate(request, name)

    def authority_certificate(self) -> bytes:
        """What a worker trusts the website by, PEM; anybody may have it."""
        return self.authority.certificate().read_bytes()
