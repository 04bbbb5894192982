"""How often somebody may ask: counted for where they ask from, and for that together with whom they name.

Counting a sign-in for its account alone would let anybody lock anybody out; counting it for its address
alone, guess at many accounts from one. An IPv6 network (/64) counts as one, since who has one address of it
has them all.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from limits import parse
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

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


class Rates:
    """storage: as `limits` names them: `async+memory://`, or a Redis that several websites share."""

    def __init__(self, storage: str = "async+memory://") -> None:
        opened = storage_from_string(storage)
        assert isinstance(opened, Storage)
        self._limiter = MovingWindowRateLimiter(opened)

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
            item = parse(limit)
            if not await self._limiter.hit(item, *key):
                resets = (await self._limiter.get_window_stats(item, *key)).reset_time
                return TooOften(max(1, math.ceil(resets - time.time())))
        return Allowed()


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, an IPv6 /64, or the text if it is no address."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)
