"""What a guest that broke out of QEMU would find on this host: next to nothing.

The processes of a running machine are looked at as the kernel sees them, and a program that runs as one
machine's user, as such a guest would, tries to get at everything else of ours.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sealock.core.image import Image
from sealock.core.machine import Limit, Machine, MachineSpec
from sealock.core.mounts import is_on_tmpfs
from sealock.machines.qemu import QemuMachines
from tests.support.machines import assert_gone, guest_of, sh
from tests.support.traces import marked

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
# From <linux/fcntl.h>.
F_GET_SEALS, ALL_SEALS = 1034, 1 | 2 | 4 | 8
# What each word gets at, as one that broke out; prints those that succeed.
BREAK_OUT = r"""
use strict; use Fcntl;
my ($victims, $files, $directories) = map { [split /,/] } @ARGV;
for my $pid (@$victims) {
  print "signal $pid\n" if kill 0, $pid;
  for my $part ('mem', 'environ', 'maps', 'fd/0', 'auxv') {
    print "$part $pid\n" if sysopen(my $file, "/proc/$pid/$part", O_RDONLY);
  }
  print "write $pid\n" if sysopen(my $file, "/proc/$pid/mem", O_RDWR);
  print "files $pid\n" if opendir(my $dir, "/proc/$pid/fd");
  print "trace $pid\n" if syscall(101, 0x4206, $pid, 0, 0) == 0;    # ptrace, PTRACE_SEIZE
}
for my $path (@$files) { print "read $path\n" if sysopen(my $file, $path, O_RDONLY) }
for my $path (@$files, @$directories) { print "write $path\n" if sysopen(my $file, $path, O_WRONLY) }
for my $path (@$directories) { print "list $path\n" if opendir(my $dir, $path) }
for my $path (@$directories) { print "make $path\n" if mkdir "$path/made" }
"""


@pytest.fixture(scope="module")
async def machine(machines: QemuMachines, online: MachineSpec) -> AsyncIterator[Machine]:
    async with machines.machine(online) as made:
        yield made


@pytest.fixture(scope="module")
async def neighbour(machines: QemuMachines, online: MachineSpec) -> AsyncIterator[Machine]:
    async with machines.machine(online) as made:
        yield made


def processes(machine: Machine) -> dict[str, int]:
    """QEMU's and pasta's process ids, and no other."""
    found = {}
    for pid in marked(machine.record.id):
        command = Path(f"/proc/{pid}/comm").read_text().strip()
        # pasta is a name that passt goes by, and it becomes the build that fits the processor best.
        found[re.sub(r"^(pasta|passt).*", "pasta", re.sub(r"^qemu.*", "qemu", command))] = pid
    assert set(found) == {"qemu", "pasta"}
    return found


def status(pid: int) -> dict[str, str]:
    rows = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: value.strip() for name, _, value in rows}


@pytest.mark.parametrize("name", ["qemu", "pasta"])
async def test_a_process_can_do_nothing(machine: Machine, name: str) -> None:
    pid = processes(machine)[name]
    said = status(pid)
    assert "0" not in said["Uid"].split() + said["Gid"].split()
    assert said["Groups"] == "" or Path("/dev/kvm").exists()
    assert said["NoNewPrivs"] == "1"
    assert said["Seccomp"] == "2"
    assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    if name == "qemu":
        held = {kind: int(said[kind], 16) for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")}
        assert held == dict.fromkeys(held, 0)


async def test_pasta_keeps_one_right_in_an_empty_place(machine: Machine) -> None:
    """It goes to the machine's namespace and back for each device and socket, which takes CAP_SYS_ADMIN.
    So that nobody makes anything of it: its root directory is empty, and its filter of system calls is
    its own."""
    pid = processes(machine)["pasta"]
    assert int(status(pid)["CapEff"], 16) in {0, 1 << 21}
    assert list(Path(f"/proc/{pid}/root").iterdir()) == []
    assert os.stat(f"/proc/{pid}/ns/mnt").st_ino != os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116


async def test_qemu_has_no_network_of_this_host(machine: Machine) -> None:
    pid = processes(machine)["qemu"]
    here = {os.stat(f"/proc/self/ns/{kind}").st_ino for kind in ("net", "ipc", "uts")}  # noqa: PTH116
    there = {os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in ("net", "ipc", "uts")}  # noqa: PTH116
    assert not here & there
    devices = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    assert [line.split(":")[0].strip() for line in devices] == ["lo"]


async def test_guest_memory_is_in_no_core_dump_and_never_merged(machine: Machine, spec: MachineSpec) -> None:
    flags = _flags_of_guest_memory(processes(machine)["qemu"], spec.memory_mib << 20)
    assert flags
    for each in flags:
        assert "dd" in each
        assert "mg" not in each


def _flags_of_guest_memory(pid: int, size: int) -> list[list[str]]:
    """VmFlags of every mapping of the template's memory."""
    found, inside = [], False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            inside = "sealock-memory" in line
        elif inside and line.startswith("VmFlags:"):
            found.append(line.split()[1:])
    return found


async def test_no_file_on_a_disk_is_open_but_the_image(machine: Machine, base_image: Image) -> None:
    """Neither open nor mapped, unless it is read only and belongs to the system or the image."""
    image = {os.path.realpath(path) for path in (base_image.kernel, base_image.initrd, base_image.root)}
    namespaces = os.stat("/proc/self/ns/net").st_dev  # noqa: PTH116
    for pid in processes(machine).values():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = os.readlink(link)  # noqa: PTH115 - no path of ours
                about = os.stat(link)  # noqa: PTH116 - the same
            except FileNotFoundError:
                continue  # it has been closed since
            if not stat.S_ISREG(about.st_mode) or about.st_dev == namespaces:
                continue
            if target.startswith(("/memfd:", "/proc/", "anon_inode:")) or is_on_tmpfs(Path(target)):
                continue
            flags = re.search(r"^flags:\s*(\d+)", (link.parents[1] / "fdinfo" / link.name).read_text(), re.M)
            assert flags
            assert int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY, target
            assert target in image, target
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            permissions, path = line.split()[1], line.split(maxsplit=5)[5:]
            if path and path[0].startswith("/") and not path[0].startswith(("/memfd:", "/dev/")):
                assert "w" not in permissions or permissions.endswith("p"), line
                assert path[0] in image or path[0].startswith(("/usr/", "/lib", "/etc/ld")), line


async def test_the_template_a_clone_runs_on_is_sealed(machine: Machine) -> None:
    """Root itself, with QEMU's own descriptor, cannot write to what the next clone starts from."""
    pid = processes(machine)["qemu"]
    links = [link for link in Path(f"/proc/{pid}/fd").iterdir() if "sealock-memory" in os.readlink(link)]  # noqa: PTH115
    assert links
    for link in links:
        descriptor = os.open(link, os.O_RDWR)
        try:
            assert fcntl.fcntl(descriptor, F_GET_SEALS) & ALL_SEALS == ALL_SEALS
            with pytest.raises(PermissionError):
                os.pwrite(descriptor, b"x", 0)
        finally:
            os.close(descriptor)


async def test_one_that_broke_out_gets_at_nothing_else(
    machine: Machine, neighbour: Machine, machine_runtime: Path
) -> None:
    own, other = processes(machine), processes(neighbour)
    victims = [own["pasta"], *other.values(), os.getpid(), os.getppid(), 1]
    files = sorted(map(str, machine_runtime.rglob("*")))
    directories = [str(machine_runtime), "/run/netns", "/sys/fs/cgroup", "/proc/self/root"]
    got = _break_out(own["qemu"], victims, files, directories)
    allowed = {f"list {path}" for path in directories[1:]} | {f"signal {own['pasta']}"}
    assert set(got) <= allowed


async def test_it_gets_at_itself(machine: Machine) -> None:
    """The same tries succeed where they may, so the ones above are really made."""
    pid = processes(machine)["qemu"]
    got = _break_out(pid, [pid], [], [])
    assert {f"{word} {pid}" for word in ("signal", "mem", "write", "files", "trace")} <= set(got)


def _break_out(pid: int, victims: list[int], files: list[str], directories: list[str]) -> list[str]:
    """What a program gets at that has the rights QEMU has, and none of its filters."""
    said = status(pid)
    command = [
        *("setpriv", f"--reuid={said['Uid'].split()[0]}", f"--regid={said['Gid'].split()[0]}"),
        *("--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"),
        *(
            "/usr/bin/perl",
            "-e",
            BREAK_OUT,
            ",".join(map(str, victims)),
            ",".join(files),
            ",".join(directories),
        ),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    return done.stdout.splitlines()


async def test_what_was_enforced_stands_in_the_record(machine: Machine) -> None:
    said = {limit.name: limit for limit in machine.record.limits}
    assert {"memory", "processor time", "processes and threads", "user", "core dumps"} <= set(said)
    pid = processes(machine)["qemu"]
    assert said["user"] == Limit("user", status(pid)["Uid"].split()[0], "setpriv", enforced=True)
    for name in ("memory", "processor time", "processes and threads"):
        if said[name].enforced:
            groups = Path(f"/proc/{pid}/cgroup").read_text()
            assert f"/sealock/{machine.record.id}" in groups


async def test_hundreds_of_megabytes_reach_no_disk(machines: QemuMachines, online: MachineSpec) -> None:
    """Files of the guest, by the kernel's own count for the processes of the machine."""
    async with machines.machine(online) as machine:
        write = "for n in 1 2 3; do head -c 150000000 /dev/zero >~/file$n; done; sync; df -m / | tail -1"
        seen = await sh(machine, write)
        assert int(seen.split()[2]) > 400
    assert_gone(machine.record)
    assert (machine.record.peak_memory_bytes or 0) > 400 << 20


async def test_the_kernel_would_have_counted(tmp_path: Path) -> None:
    """A process that writes to a disk is counted, by the same means."""
    from sealock.machines.child import spawn

    place = Path("/var/tmp") if is_on_tmpfs(tmp_path) else tmp_path
    file = place / "written-by-a-sealock-test"
    command = ["dd", "if=/dev/zero", f"of={file}", "bs=1M", "count=4", "conv=fsync"]
    try:
        usage = await spawn(command, pass_fds=(), mark={}).reaped()
    finally:
        file.unlink(missing_ok=True)
    assert usage.exit_code == 0
    assert (usage.disk_bytes or 0) >= 4 << 20


async def test_a_guest_cannot_leave_its_limits(machine: Machine) -> None:
    """Memory and processors of the guest are what was asked for, whatever root in it does."""
    seen = await sh(machine, "nproc; free -m | awk '/Mem/ {print $2}'; df -m / | tail -1", root=True)
    processors, memory, files = seen.splitlines()
    assert (processors, int(memory) < 1024, int(files.split()[1]) <= 768) == ("1", True, True)
    assert guest_of(machine).hardware.memory_mib == 1024
