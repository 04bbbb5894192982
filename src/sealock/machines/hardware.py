"""The guest's hardware as a typed description, and the QEMU arguments it comes to.

A template and its clones must be described alike to the letter but for the files behind the numbers:
everything that is part of the saved state is in `Hardware`, everything else in `Wires`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass
from enum import Enum

# Every feature an emulated processor can have, but for the string instructions that real ones are fast
# at and emulated ones are slow at; programs then use others.
_EMULATED_CPU = "max,erms=off,fsrm=off"
# QEMU 7.2 finds little of what it translated again in a process with another layout of memory: each `true`
# then costs a fifth of a second. See decision 18.
_ONE_LAYOUT = "norandmaps"
GUEST_MAC = "52:54:00:5e:a1:0f"


class Start(Enum):
    """How a guest begins, and what becomes of its memory."""

    TEMPLATE = "from nothing, what clones will need made warm, memory written through to be kept"
    BOOT = "from nothing, memory written through: the descriptor is nobody else's"
    CLONE = "from a saved state, memory copied on write"


@dataclass(frozen=True)
class Hardware:
    """What a guest sees. acceleration: `kvm` or `tcg`. image: the content digest. qemu: its version."""

    acceleration: str
    memory_mib: int
    cpus: int
    disk_mib: int
    image: str
    qemu: str

    @property
    def key(self) -> str:
        """Names the templates this hardware can go on from (a digest in hexadecimal)."""
        example = arguments(self, Wires(3, 4, 5, 6, 7, 8, 9), machine="", start=Start.CLONE)
        text = json.dumps({"arguments": example, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Wires:
    """Descriptors that QEMU inherits: guest memory, monitor, identity port, network tap, and the image's
    three files, which it may read whatever the permissions of the directories they lie in."""

    memory: int
    monitor: int
    identity: int
    network: int
    kernel: int
    initrd: int
    root: int

    @property
    def all(self) -> tuple[int, ...]:
        """Every descriptor, for whoever starts QEMU."""
        return astuple(self)


def arguments(hardware: Hardware, wires: Wires, *, machine: str, start: Start) -> list[str]:
    """QEMU's arguments without the program. machine: its id, for whoever reads a list of processes."""
    return [
        *_containment(machine),
        *_board(hardware),
        *_memory(hardware, wires, shared=start is not Start.CLONE),
        *_boot(hardware, wires, warm=start is Start.TEMPLATE),
        *_devices(wires),
        *(["-incoming", "defer"] if start is Start.CLONE else []),
    ]


def _containment(machine: str) -> list[str]:
    """No files of its own, no new processes, no more rights: QEMU's own seccomp filter."""
    sandbox = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
    return ["-name", f"sealock-{machine}", "-sandbox", sandbox, "-nodefaults", "-no-user-config"]


def _board(hardware: Hardware) -> list[str]:
    """q35: it powers off when the guest does, and has a generation id (microvm has neither)."""
    board = "q35,usb=off,smbus=off,sata=off,hpet=off,vmport=off,graphics=off"
    private = "dump-guest-core=off,mem-merge=off,memory-backend=memory"
    kvm = hardware.acceleration == "kvm"
    accelerator = "kvm" if kvm else "tcg,thread=multi"
    return [
        *("-machine", f"{board},{private}"),
        *("-accel", accelerator),
        *("-cpu", "host,migratable=on" if kvm else _EMULATED_CPU),
        *("-smp", str(hardware.cpus)),
        *("-display", "none"),
        "-no-reboot",
    ]


def _memory(hardware: Hardware, wires: Wires, *, shared: bool) -> list[str]:
    """Guest memory is a memfd of ours: no file anywhere names it, and a template's is sealed."""
    size = hardware.memory_mib
    share = "on" if shared else "off"
    backend = f"memory-backend-file,id=memory,size={size}M,mem-path={_inherited(wires.memory)}"
    return ["-m", str(size), "-object", f"{backend},share={share},dump=off,merge=off,prealloc=off"]


def _boot(hardware: Hardware, wires: Wires, *, warm: bool) -> list[str]:
    words = [
        "console=ttyS0",
        "quiet",
        "loglevel=4",
        "panic=-1",
        "reboot=t",
        "random.trust_cpu=on",
        # Pages of this guest have only ever been this guest's: nothing is gained by clearing them twice.
        "init_on_alloc=0",
        "audit=0",
        f"sealock.disk={hardware.disk_mib}",
    ]
    if hardware.acceleration == "tcg":
        words.append(_ONE_LAYOUT)
    if warm:
        words.append("sealock.warm")
    return [
        *("-kernel", _inherited(wires.kernel), "-initrd", _inherited(wires.initrd)),
        *("-append", " ".join(words)),
    ]


def _devices(wires: Wires) -> list[str]:
    """Console, root image, network, monitor, identity port, random numbers, generation id: no more.

    The console is QEMU's standard output, which we read into a ring in memory.
    """
    return [
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *(
            "-blockdev",
            f"driver=raw,node-name=root,read-only=on,file.driver=file,file.filename={_inherited(wires.root)}",
        ),
        *("-device", "virtio-blk-pci,drive=root"),
        *("-netdev", f"tap,id=wire,fd={wires.network},vhost=off"),
        *("-device", f"virtio-net-pci,netdev=wire,mac={GUEST_MAC},romfile="),
        *("-chardev", f"socket,id=monitor,fd={wires.monitor}", "-mon", "chardev=monitor,mode=control"),
        *("-device", "virtio-serial-pci,max_ports=2"),
        *("-chardev", f"socket,id=identity,fd={wires.identity}"),
        *("-device", "virtserialport,chardev=identity,name=identity"),
        *("-device", "virtio-rng-pci"),
        *("-device", "vmgenid,guid=auto"),
    ]


def _inherited(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
