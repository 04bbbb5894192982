"""Somebody else answers in a guest's place, or somebody else knocks at a guest: neither gets anywhere."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import asyncssh
import pytest

from sealock.core.errors import TemporaryError
from sealock.core.image import Image
from sealock.core.machine import Machine, MachineSpec, MachineState
from sealock.machines.identity import Authority, new_identity
from sealock.machines.qemu import QemuMachines
from tests.support.machines import guest_of, unfinished

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.fixture(scope="module")
async def machine(machines: QemuMachines, spec: MachineSpec) -> AsyncIterator[Machine]:
    async with machines.machine(spec) as made:
        yield made


async def test_a_guest_with_another_host_key_is_refused(
    machines: QemuMachines, spec: MachineSpec, base_image: Image
) -> None:
    """The guest is given a key of somebody else's making, while we expect the one we made for it."""
    async with unfinished(machines, spec, base_image) as guest:
        expected = guest.identity
        impostor = new_identity(machines.host.authority, base_image.user, None)
        told = dataclasses.replace(expected, host_key=impostor.host_key).message()
        guest.identity = dataclasses.replace(expected)
        object.__setattr__(guest.identity, "message", lambda _hosts: told)
        with pytest.raises(TemporaryError, match="did not let us in") as refused:
            await guest.login()
        assert "Host key is not trusted" in refused.value.details
        assert guest.record.state is MachineState.STARTING


async def test_the_right_one_is_let_in(machines: QemuMachines, spec: MachineSpec, base_image: Image) -> None:
    """The same way without the impostor."""
    async with unfinished(machines, spec, base_image) as guest:
        await guest.login()
        assert guest.record.state is MachineState.READY


async def log_in(
    machine: Machine, key: asyncssh.SSHKey, certificate: asyncssh.SSHCertificate | None, user: str = ""
) -> None:
    """Knock at a running machine with other credentials. See `refused` for what it raises otherwise."""
    guest = guest_of(machine)
    assert guest._network is not None
    connection = await asyncssh.connect(
        host=guest.identity.id,
        sock=await guest._network.connect(),
        username=user or guest.identity.user,
        known_hosts=guest.identity.known_hosts,
        client_keys=[(key, certificate)] if certificate else [key],
        config=None,
        agent_path=None,
        preferred_auth=["publickey", "password", "keyboard-interactive"],
    )
    connection.abort()
    await connection.wait_closed()


def refused() -> AbstractContextManager[object]:
    """sshd says no; what it says depends on whether the bare key is tried after its certificate."""
    return pytest.raises(
        asyncssh.DisconnectError, match=r"Permission denied|Too many authentication failures"
    )


def certify(
    machines: QemuMachines, key: asyncssh.SSHKey, *principals: str, start: float = -60, end: float = 600
) -> asyncssh.SSHCertificate:
    """What our own authority could sign, if it were asked to. start, end: seconds from now."""
    now = int(time.time())
    return machines.host.authority._key.generate_user_certificate(
        key,
        "test",
        principals=list(principals),
        valid_after=now + int(start),
        valid_before=now + int(end),
    )


@pytest.fixture
async def key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


async def test_a_certificate_for_the_machine_is_let_in(
    machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey
) -> None:
    await log_in(machine, key, certify(machines, key, machine.record.id))


async def test_one_for_another_machine_is_not(
    machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey
) -> None:
    with refused():
        await log_in(machine, key, certify(machines, key, "0" * 32))


async def test_one_for_nobody_in_particular_is_not(
    machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey
) -> None:
    """To OpenSSH a certificate without principals could be one for everybody."""
    with refused():
        await log_in(machine, key, certify(machines, key))


@pytest.mark.parametrize("start, end", [(-600, -60), (600, 1200)], ids=["expired", "not yet valid"])
async def test_one_of_another_time_is_not(
    machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey, start: float, end: float
) -> None:
    with refused():
        await log_in(machine, key, certify(machines, key, machine.record.id, start=start, end=end))


async def test_one_of_another_authority_is_not(machine: Machine) -> None:
    with refused():
        await log_in(machine, *Authority().login(machine.record.id))


async def test_a_key_without_a_certificate_is_not(
    machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey
) -> None:
    for each in (key, machines.host.authority._login, machines.host.authority._key):
        with refused():
            await log_in(machine, each, None)


async def test_root_is_not(machines: QemuMachines, machine: Machine, key: asyncssh.SSHKey) -> None:
    with refused():
        await log_in(machine, key, certify(machines, key, machine.record.id, "root"), user="root")
