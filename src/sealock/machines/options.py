"""What an operator decides about machines, as the machine code needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MachineOptions:
    """Frozen values out of the settings.

    runtime_dir: state of running machines, on tmpfs. qemu, pasta: programs. user: the unprivileged user
    QEMU and pasta run as. acceleration: `auto`, `kvm` or `tcg`. network_allow: names, addresses or
    ranges that guests may reach although they are private. swap_is_encrypted: the operator vouches that
    swap is encrypted with a key made anew at each boot. pool_size: clones kept ready.
    keep_template: leave the sealed template on tmpfs for the next process.
    """

    runtime_dir: Path
    qemu: str = "qemu-system-x86_64"
    pasta: str = "pasta"
    user: str = "sealock-machine"
    acceleration: str = "auto"
    network_allow: tuple[str, ...] = ()
    swap_is_encrypted: bool = False
    pool_size: int = 0
    keep_template: bool = True
