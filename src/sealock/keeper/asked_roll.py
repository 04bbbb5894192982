"""Which workers the keeper knows, for whoever carries for them and for whoever says who is one."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from sealock.core.errors import UsageError
from sealock.core.keeper import KnownWorker
from sealock.core.lease import Refused
from sealock.keeper.asked import Ask, ask_for
from sealock.keeper.protocol import Done
from sealock.keeper.signing import ask_known
from sealock.keeper.worker_messages import Admitted, AdmitWorker, AskWorkers, RemoveWorker, Workers


class AskedRoll:
    """Every method may raise KeeperAway, and Refused to who may not ask."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def known(self, keys: Sequence[bytes]) -> list[bool]:
        """Whether the keeper makes leases for what each of these keys signs."""
        return [bool(name) for name in (await ask_known(self._ask, *keys)).names]

    async def introduce(self, name: str, key: bytes) -> bool:
        """Whether this worker is known; where we may, it is admitted, in the place of one of that name."""
        if (await self.known([key]))[0]:
            return True
        try:
            await self.admit(name, key)
        except (Refused, UsageError):
            return False
        return True

    async def withdraw(self, name: str, key: bytes | None = None) -> bool:
        """Remove it, where we may; whether we may. key: only if it has that one."""
        try:
            await self.remove(name, key)
        except (Refused, UsageError):
            return False
        return True

    async def workers(self) -> list[KnownWorker]:
        """Every worker that is known, by name."""
        told = await ask_for(self._ask, AskWorkers(), Workers)
        return [KnownWorker(one.name, one.key, one.since, one.by) for one in told.workers]

    async def admit(self, name: str, key: bytes) -> bytes | None:
        """From now on that name has this key; the one it had before, which is void. UsageError."""
        try:
            request = AdmitWorker(name=name, key=key)
        except ValidationError as error:
            raise _strange(name) from error
        return (await ask_for(self._ask, request, Admitted)).before

    async def remove(self, name: str, key: bytes | None = None) -> None:
        """It is known no more, and what it has leased is void. UsageError for what is no name."""
        try:
            request = RemoveWorker(name=name, key=key)
        except ValidationError as error:
            raise _strange(name) from error
        await ask_for(self._ask, request, Done)


def _strange(name: str) -> UsageError:
    return UsageError(
        f"{name[:70]!r} with that key can be no worker's",
        resolution="Take the name and the key, 64 hexadecimal digits, as the worker prints them.",
    )
