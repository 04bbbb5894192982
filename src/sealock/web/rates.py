"""How often somebody may ask: counted for where they ask from, and for that together with whom they name.

Counting a sign-in for its account alone would let anybody lock anybody out; counting it for its address
alone, guess at many accounts from one. An IPv6 network (/64) counts as one, since who has one address of it
has them all.

Where counts are shared and what keeps them is away, the website goes on and counts for itself meanwhile, from
nothing: who guesses has that many tries more for each website, and not any number.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from sealock.core.decision import Allowed


@dataclass(frozen=True)
class Rate:
    """Such as `60/minute`. address: from one place. account: from one place for one account."""

    name: str
    address: str
    account: str = ""


EVERYTHING = Rate("everything", "1200/minute")
SIGN_IN = Rate("sign-in", "30/minute", "10/minute")
HOOK = Rate("hook", "300/minute", "120/minute")


@dataclass(frozen=True)
class TooOften:
    """No, and after how many seconds again."""

    retry_after: int

    def __bool__(self) -> bool:
        return False


AWAY = 5.0
"""Seconds in which shared counts that could not be reached are not asked again."""


class Rates:
    """counts: kept in memory, or those that several websites share (`store.redis.rates`)."""

    def __init__(self, counts: Storage | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = None if counts is None else MovingWindowRateLimiter(counts)
        self._failures = () if counts is None else _failures(counts)
        self._clock = clock
        self._ask_again_at = 0.0

    async def count(self, rate: Rate, address: str, account: str = "") -> Allowed | TooOften:
        """Count one, and say whether that is too many. account: whatever was asked for, if anything."""
        place = place_of(address)
        keys: list[tuple[str, tuple[str, ...]]] = [(rate.address, (rate.name, place))]
        if rate.account and account:
            # A digest: neither addresses of people nor long texts are to lie in a storage others read.
            keys.append(
                (rate.account, (rate.name, place, sha256(account.encode(errors="replace")).hexdigest()))
            )
        for limit, key in keys:
            if not (counted := await self._count(parse(limit), key)):
                return counted
        return Allowed()

    async def _count(self, limit: RateLimitItem, key: tuple[str, ...]) -> Allowed | TooOften:
        if self._shared is not None and self._clock() >= self._ask_again_at:
            try:
                return await _counted(self._shared, limit, key)
            except self._failures:
                self._ask_again_at = self._clock() + AWAY
        return await _counted(self._own, limit, key)


async def _counted(
    limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: tuple[str, ...]
) -> Allowed | TooOften:
    if await limiter.hit(limit, *key):
        return Allowed()
    resets = (await limiter.get_window_stats(limit, *key)).reset_time
    return TooOften(max(1, math.ceil(resets - time.time())))


def _failures(counts: Storage) -> tuple[type[Exception], ...]:
    """What it raises when it cannot be reached, or does not do as it should."""
    own = counts.base_exceptions
    return (StorageError, OSError, TimeoutError, *(own if isinstance(own, tuple) else (own,)))


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, an IPv6 /64, or the text if it is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
