"""What all machines of this process have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sealock.machines import marks
from sealock.machines.containment import User
from sealock.machines.identity import Authority
from sealock.machines.options import MachineOptions


@dataclass(frozen=True)
class Host:
    """acceleration: `kvm` or `tcg`, already proved. qemu_version: as QEMU tells it."""

    options: MachineOptions
    user: User
    acceleration: str
    qemu_version: str
    owner: marks.Owner = field(default_factory=marks.this_process)
    authority: Authority = field(default_factory=Authority)

    @property
    def machines_directory(self) -> Path:
        """Holds one directory per machine, on tmpfs."""
        return self.options.runtime_dir / "machines"

    @property
    def templates_directory(self) -> Path:
        """Holds the kept templates, on tmpfs."""
        return self.options.runtime_dir / "templates"
