"""One run's remains are looked for in the next and in one beside it; and one machine knocks at another."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import selectors
import socket
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from sealock.core.machine import Machine, MachineSpec
from sealock.machines import firewall
from sealock.machines.qemu import QemuMachines
from tests.support.machines import guest_of, sh
from tests.support.memory import found_in
from tests.support.pretend_host import namespace_of, remove_rules, run_inside
from tests.support.probe import Place, reached

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PORT = 7777
PLANT = f"""
set -e
echo "$1" | tee /{{etc,root,tmp,var/tmp,dev/shm,usr/bin}}/canary >/dev/null
mkdir -p /etc/cron.d /var/spool/cron/crontabs
echo "* * * * * root echo $1" | tee /etc/cron.d/canary /var/spool/cron/crontabs/root >/dev/null
mkdir -p /mnt/canary && mount -t tmpfs canary /mnt/canary && echo "$1" > /mnt/canary/canary
sysctl -qw kernel.domainname=canary
setsid bash -c 'exec -a canary nc -lk 0.0.0.0 {PORT}' >/dev/null 2>&1 </dev/null &
setsid bash -c 'exec -a canary sleep 9999' >/dev/null 2>&1 </dev/null &
until grep -qi ':{PORT:04X} ' /proc/net/tcp; do sleep 0.1; done
named() {{ cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cx '[c]anary'; }}
until [ "$(named)" = 2 ]; do sleep 0.1; done
"""
LOOK = f"""
ls -d /etc/cron.d/canary /var/spool/cron/crontabs/root /mnt/canary 2>/dev/null
find /etc /root /home /mnt /run /tmp /usr/bin /var /dev/shm -name '*canary*' 2>/dev/null
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -x '[c]anary'
cat /proc/sys/kernel/domainname | grep '[c]anary'
grep -il ':{PORT:04X} ' /proc/net/tcp
exit 0
"""


@pytest.fixture
async def canary() -> str:
    return f"canary-{secrets.token_hex(16)}"


async def _plant(machine: Machine, canary: str) -> None:
    await sh(machine, PLANT, canary, root=True)


async def _look(machine: Machine, canary: str) -> str:
    """What is there of it: in the guest's own eyes, and in its whole memory as seen from this host."""
    child = guest_of(machine).child
    assert child is not None
    in_memory = await asyncio.to_thread(found_in, child.pid, [canary.encode()])
    return await sh(machine, LOOK, root=True) + "".join(map(repr, in_memory))


async def test_nothing_of_a_run_is_beside_it_or_in_the_next(
    machines: QemuMachines, spec: MachineSpec, canary: str
) -> None:
    async with machines.machine(spec) as first, machines.machine(spec) as beside:
        await _plant(first, canary)
        seen = await _look(first, canary)
        for what in ("cron.d", "/mnt/canary", "\ncanary\ncanary\n", "/proc/net/tcp", canary):
            assert what in seen, f"what is looked for is not even found where it was put: {seen}"
        assert await _look(beside, canary) == ""
    async with machines.machine(spec) as following:
        assert await _look(following, canary) == ""


@pytest.fixture(scope="module")
async def neighbours(there: QemuMachines, online: MachineSpec) -> AsyncIterator[tuple[Machine, Machine]]:
    async with there.machine(online) as one, there.machine(online) as other:
        yield one, other


async def test_a_neighbour_is_not_reached(neighbours: tuple[Machine, Machine], canary: str) -> None:
    """Each has the same addresses in a namespace of its own, so there is no way to even name another."""
    one, other = neighbours
    await _plant(other, canary)
    here = {Place("tcp", "127.0.0.1", PORT), Place("tcp", firewall.GUEST, PORT)}
    assert await reached(other, here) == set(), "nc says nothing, but takes the connection"
    assert await sh(other, f"echo | nc -v -w 2 127.0.0.1 {PORT} 2>&1 | grep -o succeeded") == "succeeded"
    for address in (firewall.GUEST, firewall.GATEWAY, firewall.UPLINK, "10.0.2.255", "10.111.0.255"):
        done = await one.run(["nc", "-v", "-w", "1", address, str(PORT)], stdin=b"\n")
        assert b"succeeded" not in done.stderr, address


async def test_only_port_22_is_open(there: QemuMachines, online: MachineSpec) -> None:
    """From the machine's own namespace, with the rules that would stop this already taken away."""
    async with there.machine(online) as machine:
        namespace = namespace_of(machine)
        assert await asyncio.to_thread(run_inside, namespace, lambda: _open_ports([22])) == {22}
        assert await asyncio.to_thread(run_inside, namespace, lambda: _open_ports([23], 2)) == set()
        remove_rules(machine)
        assert await asyncio.to_thread(run_inside, namespace, _open_ports) == {22}
        look = (
            "for f in tcp tcp6 udp udp6 raw raw6 packet; do tail -qn +2 /proc/net/$f; done | wc -l; ss -Htuln"
        )
        # Our own connection is one of the two rows, once the guest knows that the knocks above are over.
        rows = (await sh(machine, look, root=True)).splitlines()
        deadline = time.monotonic() + 60
        while rows[0] != "2" and time.monotonic() < deadline:
            rows = (await sh(machine, look, root=True)).splitlines()
        assert rows[0] == "2"
        assert [row.split()[4] for row in rows[1:]] == ["0.0.0.0:22"]


def _connect(port: int) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex((firewall.GUEST, port))
    return connection


def _open_ports(ports: Sequence[int] = range(1, 65536), patience: float = 30.0) -> set[int]:
    """Those of the guest that take a TCP connection. What answers nothing for so many seconds is closed."""
    found: set[int] = set()
    waiting = iter(ports)
    with selectors.DefaultSelector() as selector:

        def more(count: int) -> None:
            for port in itertools.islice(waiting, count):
                selector.register(_connect(port), selectors.EVENT_WRITE, port)

        def close(key: selectors.SelectorKey) -> None:
            selector.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()

        more(256)
        while selector.get_map() and (ready := selector.select(patience)):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(key.data)
                close(key)
                more(1)
        silent = list(selector.get_map().values())
        for key in silent:
            close(key)
    assert len(silent) < 2, f"no answer from {len(silent)} ports"
    return found
