"""What stands between a guest that broke out of QEMU and this host.

A program is started through a chain of small tools, each of which takes something away and then becomes
the next: into the cgroup, no core dumps, namespaces of its own, another user, no capabilities, no way
to gain any, and death together with us.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.machine import Limit
from sealock.machines.cgroup import Cgroup

# Fixed text; what varies comes as arguments. Joins the cgroups named first, then becomes the rest.
_JOIN = 'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n-1)); done; exec "$@"'
# The device node may be closed to others on this host; ours lies on a mount nobody else sees.
_TUN = (
    'mount -t tmpfs -o size=64k,mode=0755 tmpfs /dev/net && mknod -m 0666 /dev/net/tun c 10 200 && exec "$@"'
)
# What asks to be killed with its parent is not, if that ended before it asked: it has another parent then.
_ORPHANED = '[ "$PPID" = "$1" ] || exit 125; shift; exec "$@"'

KVM = Path("/dev/kvm")
# The first of 2^28 user ids that neither distributions nor containers hand out.
FIRST_UID = 0x70000000


@dataclass(frozen=True)
class User:
    """Who the program runs as. groups: numbers of groups it needs beside its own."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def for_machine(self, machine: str) -> User:
        """The same with a user id of that machine's own, so that one that broke out cannot touch the
        processes of another: under one id it could read and write their memory."""
        return replace(self, uid=FIRST_UID + int(machine[:7], 16))


def machine_user(name: str, *, kvm: bool) -> User:
    """The unprivileged user of that name. PermanentError if there is none, or it is root."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise PermanentError(
            f"the user {name}, which machines run as, does not exist on this host",
            resolution=f"Make it: useradd --system --shell /usr/sbin/nologin --no-create-home {name}",
        ) from error
    if entry.pw_uid == 0:
        raise PermanentError(
            "machines may not run as root",
            resolution="Name an unprivileged user in the setting machine_user.",
        )
    return User(entry.pw_uid, entry.pw_gid, kvm_groups() or () if kvm else ())


def kvm_groups(device: Path = KVM) -> tuple[int, ...] | None:
    """The groups it takes to use KVM; None if there is none, or it is for root alone."""
    try:
        about = device.stat()
    except OSError:
        return None
    if about.st_mode & 0o006 == 0o006:
        return ()
    return (about.st_gid,) if about.st_mode & 0o060 == 0o060 and about.st_gid != 0 else None


def for_qemu(argv: Sequence[str], user: User, cgroup: Cgroup) -> list[str]:
    """QEMU: no network of the host, no capability, nothing to gain."""
    return [
        *_joined(cgroup),
        *("prlimit", "--core=0:0", "--nofile=1024:1024"),
        *("unshare", "--net", "--ipc", "--uts", "--"),
        *_as_user(user),
        *("--inh-caps=-all", "--bounding-set=-all", "--"),
        *of_the_living(argv),
    ]


def for_pasta(argv: Sequence[str], user: User, cgroup: Cgroup) -> list[str]:
    """pasta: it enters the machine's network namespace, for which it needs two capabilities until it has
    done so; then it drops what it can and filters its own system calls."""
    capabilities = "-all,+sys_admin,+net_admin"
    return [
        *_joined(cgroup),
        *("prlimit", "--core=0:0"),
        *("unshare", "--mount", "--ipc", "--uts", "--propagation", "private", "--"),
        *("/bin/sh", "-c", _TUN, "sh"),
        *_as_user(user),
        *(
            f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}",
            f"--bounding-set={capabilities}",
            "--",
        ),
        *of_the_living(argv),
    ]


def of_the_living(argv: Sequence[str]) -> list[str]:
    """Only as a child of this process: one that asks to be killed with it, and asks too late, would stay."""
    return ["/bin/sh", "-c", _ORPHANED, "sh", str(os.getpid()), *argv]


def limits(user: User) -> list[Limit]:
    """What the chain enforces on every host."""
    return [
        Limit("user", str(user.uid), "setpriv", enforced=True),
        Limit("core dumps", "none", "rlimit", enforced=True),
        Limit("system calls", "QEMU's filter", "seccomp", enforced=True),
        Limit("new privileges", "none", "no_new_privs", enforced=True),
        Limit("host network", "none", "network namespace", enforced=True),
    ]


def _joined(cgroup: Cgroup) -> list[str]:
    files = cgroup.process_files
    return ["/bin/sh", "-c", _JOIN, "sh", str(len(files)), *files]


def _as_user(user: User) -> list[str]:
    groups = f"--groups={','.join(map(str, user.groups))}" if user.groups else "--clear-groups"
    return [
        *("setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", groups),
        *("--no-new-privs", "--pdeathsig=KILL"),
    ]
