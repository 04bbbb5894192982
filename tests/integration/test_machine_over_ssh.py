"""The session keeps the contract of the Machine port, over a real OpenSSH server on loopback."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.core.errors import SealockError, TemporaryError
from sealock.core.machine import Machine, MachineRecord, NetworkPolicy, Origin
from sealock.machines.fake import GUEST
from sealock.machines.session import SshMachine
from tests.support.machine_contract import MachineContract, Subject
from tests.support.sshd import Sshd, loopback_sshd
from tests.support.unix_client import UNIX_CLIENT

pytestmark = pytest.mark.anyio
START = shlex.quote(str(GUEST / "exec"))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, so that one server serves all of it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def sshd(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sshd]:
    async with loopback_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


async def machine_over(sshd: Sshd, sockets: Path, keepalive: float = 15) -> SshMachine:
    """A machine over a new connection to this host's own sshd."""
    record = MachineRecord("0" * 32, "none", Origin.FAKE, "none", NetworkPolicy.NONE, "SHA256:")
    return SshMachine(
        await sshd.connect(keepalive),
        record,
        sshd.user,
        sshd.home,
        exec_command=START,
        root_command=START if os.geteuid() == 0 else f"sudo -n -- {START}",
        sockets=str(sockets),
    )


@pytest.fixture
async def subject(sshd: Sshd, tmp_path: Path) -> AsyncIterator[Subject]:
    machine = await machine_over(sshd, tmp_path)

    async def cut() -> None:
        sshd.signal_sessions(signal.SIGKILL)

    yield Subject(machine, cut, UNIX_CLIENT)
    machine._connection.abort()
    await machine._connection.wait_closed()


class TestSession(MachineContract):
    async def test_a_session_whose_opening_is_cancelled_does_not_stay_open(self, subject: Subject) -> None:
        # sshd lets one connection have ten sessions.
        for _ in range(15):
            task = asyncio.create_task(subject.machine.run(["sleep", "300"]))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with asyncio.timeout(60):
            while (await _said_well(subject.machine)) != b"well\n":  # noqa: ASYNC110 - sshd tells nobody
                await asyncio.sleep(0.1)


async def _said_well(machine: Machine) -> bytes:
    """Nothing while sshd has yet to notice that sessions are over."""
    try:
        return (await machine.run(["echo", "well"])).stdout
    except SealockError:
        return b""


class TestSilence:
    async def test_a_cancelled_command_does_not_wait_for_a_machine_that_stands_still(
        self, sshd: Sshd, tmp_path: Path
    ) -> None:
        machine = await machine_over(sshd, tmp_path)
        try:
            async with asyncio.timeout(30) as limit:
                async with machine.process(["sleep", "300"]) as process:
                    sshd.signal_sessions(signal.SIGSTOP)
                    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)  # type: ignore[union-attr]
                    await process.wait()
        except asyncio.CancelledError:
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            assert not limit.expired()
        else:
            pytest.fail("the cancellation was lost")
        finally:
            sshd.signal_sessions(signal.SIGCONT)
            machine._connection.abort()
            await machine._connection.wait_closed()

    async def test_a_machine_that_stops_answering_is_lost(self, sshd: Sshd, tmp_path: Path) -> None:
        machine = await machine_over(sshd, tmp_path, keepalive=0.2)
        waiting = asyncio.create_task(machine.run(["sleep", "300"]))
        await asyncio.sleep(0.3)
        sshd.signal_sessions(signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(TemporaryError, match="connection was lost"):
                    await waiting
        finally:
            sshd.signal_sessions(signal.SIGKILL)
