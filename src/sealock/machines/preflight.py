"""Refuses to start on a host that could not keep the promises, and names what to do about it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.mounts import is_on_tmpfs
from sealock.machines.cgroup import OVERHEAD_MIB
from sealock.machines.options import MachineOptions

_TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "prlimit": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}


def check(options: MachineOptions) -> None:
    """Everything that does not depend on the machine. PermanentError for the first thing that is amiss."""
    check_rights()
    check_programs(options)
    check_runtime_directory(options.runtime_dir)
    check_swap(options, Path("/proc/swaps").read_text())


def check_rights() -> None:
    """Networks, limits and the change of user need root."""
    if os.geteuid() != 0:
        raise PermanentError(
            "starting machines needs root",
            details="Network namespaces and cgroups are root's to make; QEMU runs as a user without rights.",
            resolution="Run the same command with sudo.",
        )


def check_programs(options: MachineOptions) -> None:
    """The programs we start are there."""
    wanted = {options.qemu: "qemu-system-x86", options.pasta: "passt", **_TOOLS}
    for program, package in wanted.items():
        if shutil.which(program) is None:
            raise PermanentError(
                f"the program {program} is missing",
                resolution=f"Install it: apt-get install {package}",
            )


def check_runtime_directory(path: Path) -> None:
    """What is written there stays in memory."""
    if not is_on_tmpfs(path):
        raise PermanentError(
            f"the runtime directory {path} is not on tmpfs",
            resolution="Set runtime_dir to a directory on tmpfs, such as /run/sealock or /dev/shm/sealock.",
        )
    path.mkdir(parents=True, exist_ok=True, mode=0o700)


def check_swap(options: MachineOptions, swaps: str, sys_block: Path = Path("/sys/block")) -> None:
    """Guest memory that is swapped out has reached a disk. Compressed memory (zram without a disk behind
    it) is memory; the operator may vouch for swap that is encrypted with a key of each boot."""
    on_disk = [name for name in _swap_areas(swaps) if not _is_memory(Path(name), sys_block)]
    if on_disk and not options.swap_is_encrypted:
        raise PermanentError(
            f"swap is on ({', '.join(on_disk)}): what a build writes could reach a disk",
            resolution=(
                "Turn it off (swapoff -a, and remove it from /etc/fstab), use zram, or encrypt it with a "
                "random key (/etc/crypttab: swap DEVICE /dev/urandom swap) and set swap to 'encrypted'."
            ),
        )


def check_memory(memory_mib: int, meminfo: str | None = None) -> None:
    """There is room for one more machine. TemporaryError: another one may end soon."""
    text = Path("/proc/meminfo").read_text() if meminfo is None else meminfo
    rows = dict(line.split(":", 1) for line in text.splitlines())
    available = int(rows["MemAvailable"].split()[0]) >> 10
    needed = memory_mib + OVERHEAD_MIB
    if available < needed:
        raise TemporaryError(
            f"too little memory for a machine: {available} MiB available, {needed} MiB needed",
            resolution="End something, or ask for a smaller machine (machine: memory in sealock.yml).",
        )


def _swap_areas(swaps: str) -> list[str]:
    return [line.split()[0] for line in swaps.splitlines()[1:] if line.strip()]


def _is_memory(device: Path, sys_block: Path) -> bool:
    name = device.name
    if not name.startswith("zram"):
        return False
    backing = sys_block / name / "backing_dev"
    return not backing.exists() or backing.read_text().strip() == "none"
