"""Sees to it that there is a keeper: the one that runs, else one of our own, a process of its own.

A keeper of ours lives no longer than we do, however we end: it stops when its standard input does, and
the other end of that is held by us alone. Two of us that start at once agree by a lock on who starts it.
One that another process had started may go with that process; then we start our own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.errors import PermanentError
from sealock.core.files import make_private_directory
from sealock.core.lease import HeldLease, KeeperAway, Terms
from sealock.core.sealed import Owner, PublicKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol
from sealock.keeper.client import KeeperClient
from sealock.keeper.owner import open_for_owner

START = 60.0
"""Seconds a keeper may take until it serves; a busy host starts Python slowly."""

STOP = 10.0
SERVES = b"serving on "


class AttendedKeeper:
    """A keeper that is there when it is asked (`core.lease.Leases`). Use it as `async with`."""

    def __init__(
        self,
        client: KeeperClient,
        command: Sequence[str],
        lock: Path,
        directory: Path,
        *,
        owner_key: Callable[[], Ed25519PrivateKey],
        say: Callable[[str], None],
    ) -> None:
        """command: starts a keeper where `client` asks, which stops at the end of its input. lock: a file
        that says who starts it. directory: the keeper's own, so that no other installation's is taken for
        it. owner_key: what the owner of this one signs in with; the keeper knows its public half. say: takes
        the lines of its log that say what it refused, and why."""
        self.client = client
        self._command = command
        self._lock = lock
        self._directory = directory
        self._owner_key = owner_key
        self._say = say
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> AttendedKeeper:
        return self

    async def __aexit__(self, *_: object) -> None:
        process, reading = self._process, self._reading
        if process is None or reading is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await reading
        self._process = self._reading = None

    @asynccontextmanager
    async def lease(self, terms: Terms) -> AsyncIterator[HeldLease]:
        """As `core.lease.Leases`. PermanentError if there is no keeper and none can be started."""
        await self.there()
        async with self.client.lease(terms) as held:
            yield _Held(self, held)

    async def public_key(self, owner: Owner) -> PublicKey:
        """What values of that owner are sealed to."""
        await self.there()
        return await self.client.public_key(owner)

    async def ask(self, request: protocol.Request) -> protocol.Reply:
        """As `KeeperClient.ask`."""
        await self.there()
        return await self.client.ask(request)

    async def open_for_owner(self, sealed: Sealed) -> Secret:
        """A log's or an artifact's key, for the person whose installation this is: who can read the key
        they are signed in with. Refused; KeeperAway."""
        await self.there()
        return await open_for_owner(self.client, sealed, self._owner_key)

    async def there(self) -> None:
        """Return once a keeper answers, or ours runs. PermanentError if ours does not start."""
        async with self._turn:
            if self._runs() or await self._answers():
                return
            make_private_directory(self._lock.parent)
            async with _alone(self._lock):
                if not await self._answers():
                    await self._start()

    def _runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def _answers(self) -> bool:
        try:
            told = await self.client.ask(protocol.AskStatus())
        except KeeperAway:
            return False
        if isinstance(told, protocol.Told) and told.directory != str(self._directory):
            raise PermanentError(
                "the keeper that answers is another installation's",
                details=f"Its directory is {told.directory}, ours {self._directory}.",
                resolution="Give each installation of this host a runtime_dir or a keeper_socket of its own.",
            )
        return True

    async def _start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, start_new_session=True
        )
        assert process.stderr is not None
        said: list[bytes] = []
        try:
            async with asyncio.timeout(START):
                while not (line := await process.stderr.readline()).startswith(SERVES):
                    said.append(line)
                    if not line:
                        raise _did_not_start(said)
        except BaseException as error:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, TimeoutError):
                raise _did_not_start([*said, b"it took too long"]) from error
            raise
        self._process, self._reading = process, asyncio.create_task(self._read(process.stderr))

    async def _read(self, log: asyncio.StreamReader) -> None:
        while line := await log.readline():
            text = line.decode(errors="replace").rstrip()
            if text.startswith(("refused ", "away ", "fault ")):
                self._say(text)


class _Held:
    """A lease that asks for a keeper before it asks the keeper."""

    def __init__(self, keeper: AttendedKeeper, held: HeldLease) -> None:
        self._keeper = keeper
        self._held = held
        self.expires_at = held.expires_at

    async def open(self, sealed: Sealed, *, step: str = "") -> Secret:
        await self._keeper.there()
        return await self._held.open(sealed, step=step)

    async def open_all(self, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        await self._keeper.there()
        return await self._held.open_all(sealed, step=step)


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[None]:
    """One of us at a time; the kernel lets go of the lock when its process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _did_not_start(said: Sequence[bytes]) -> PermanentError:
    told = b"".join(said).decode(errors="replace").strip()
    knows = "What to do: " in told
    return PermanentError(
        "the keeper did not start",
        details=told or "it said nothing",
        resolution="" if knows else "`sealock keeper` starts it by hand, and says more.",
    )
