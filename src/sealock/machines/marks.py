"""The marks by which we know our own things on a host, also after the process that made them is gone.

Processes carry two environment variables, directories and cgroups the machine's id in their name with
a file beside that names the owner. An owner is a process id together with its start time and the host's
boot: a process id alone may be somebody else's by now.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sealock.core.files import make_private_directory

MACHINE = "SEALOCK_MACHINE"
OWNER = "SEALOCK_OWNER"
PREFIX = "sealock-"


@dataclass(frozen=True)
class Owner:
    """A process of ours. start: clock ticks after boot. boot: the host's boot id."""

    pid: int
    start: int
    boot: str

    def __str__(self) -> str:
        return f"{self.pid}.{self.start}.{self.boot}"

    @property
    def alive(self) -> bool:
        """Whether that very process is still running."""
        return self.boot == _boot_id() and start_time(self.pid) == self.start


def parse_owner(text: str) -> Owner:
    """Read what `str` wrote. ValueError if it is anything else."""
    pid, start, boot = text.strip().split(".")
    return Owner(int(pid), int(start), boot)


def this_process() -> Owner:
    """Ourselves."""
    pid = os.getpid()
    start = start_time(pid)
    assert start is not None
    return Owner(pid, start, _boot_id())


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks after boot; None if there is none or it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in brackets, may hold blanks and brackets itself; the fields after it do not.
    fields = text[text.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def environment(machine: str, owner: Owner) -> dict[str, str]:
    """The marks a process of that machine carries."""
    return {MACHINE: machine, OWNER: str(owner)}


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class Mark:
    """A machine's directory under the runtime directory: made before anything else of it, removed last."""

    parent: Path
    machine: str
    owner: Owner

    @property
    def directory(self) -> Path:
        """Where it is; holds one file that names the owner."""
        return self.parent / self.machine

    def make(self) -> None:
        """Put it there. It appears with its owner's name in it or not at all; which machines there are is
        nobody else's to see, though others may pass through the runtime directory. PermanentError."""
        make_private_directory(self.parent)
        self.parent.chmod(0o700)
        unnamed = self.parent / f".{self.machine}"
        unnamed.mkdir(mode=0o700)
        (unnamed / "owner").write_text(str(self.owner))
        unnamed.rename(self.directory)

    def remove(self) -> None:
        """Take it away. Nothing happens if it is not there."""
        shutil.rmtree(self.directory, ignore_errors=True)


def find(parent: Path) -> list[Mark]:
    """Every mark under that directory. One that cannot be read belongs to nobody alive."""
    marks = []
    for directory in parent.glob("[0-9a-f]*") if parent.is_dir() else ():
        try:
            owner = parse_owner((directory / "owner").read_text())
        except (OSError, ValueError):
            owner = Owner(0, 0, "")
        marks.append(Mark(parent, directory.name, owner))
    return marks
