"""Passwords, hashed with Argon2id.

Hashing takes a tenth of a second and 64 MiB on purpose, so it runs in a thread, and only a few at once:
more would let strangers fill the memory by signing in. Whoever does not exist costs the same as whoever
does, so that time does not tell which addresses are known.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from sealock.core.errors import TemporaryError, UsageError
from sealock.core.secret import Secret

P = ParamSpec("P")
R = TypeVar("R")

SHORTEST, LONGEST = 12, 1024
"""Characters. The upper limit keeps the work bounded; no passphrase is that long."""


class Passwords:
    """at_once: how many are hashed at a time; waiting: how many more may wait before one is turned away."""

    def __init__(self, hasher: PasswordHasher | None = None, *, at_once: int = 2, waiting: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._room = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._here = 0
        # Checked in place of the hash of a person there is not; of a password nobody has.
        self._nobody = self._hasher.hash(secrets.token_bytes(32))

    async def hash(self, password: Secret) -> str:
        """The encoded hash of a new password. UsageError if it is too short or too long."""
        check_new_password(password)
        return await self._in_thread(self._hasher.hash, _spelled(password))

    async def matches(self, encoded: str | None, password: Secret) -> bool:
        """Whether it is the password; encoded None: there is no such person, which takes as long to find out.
        TemporaryError if too many are being checked."""
        found = await self._in_thread(self._verify, encoded or self._nobody, _spelled(password))
        return found and encoded is not None

    def outdated(self, encoded: str) -> bool:
        """Whether it was hashed with less work than is usual now."""
        return self._hasher.check_needs_rehash(encoded)

    def _verify(self, encoded: str, password: bytes) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    async def _in_thread(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._here >= self._most:
            raise TemporaryError(
                "Too many people are signing in at once", resolution="Wait some seconds, then try again."
            )
        self._here += 1
        try:
            async with self._room:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._here -= 1


def check_new_password(password: Secret) -> None:
    """UsageError if nobody should have it as a password. Length is all that is asked for: rules about
    digits and signs make passwords that are harder to remember, not to guess."""
    length = len(password.reveal().decode(errors="replace"))
    if length < SHORTEST:
        raise UsageError(
            f"The password has {length} characters",
            resolution=f"Take {SHORTEST} or more; several words that do not belong together do well.",
        )
    if length > LONGEST:
        raise UsageError(f"The password has more than {LONGEST} characters", resolution="Take a shorter one.")


def _spelled(password: Secret) -> bytes:
    """One spelling of what looks the same: keyboards differ in how they send an accent. Cut before the
    work, so that a body full of text costs no more than a password."""
    text = password.reveal().decode(errors="replace")[: LONGEST + 1]
    return unicodedata.normalize("NFC", text).encode()
