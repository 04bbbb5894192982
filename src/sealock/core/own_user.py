"""How a process that root started becomes a user of its own, for good, with what is to be that user's.

The keeper does so, and the website. Directories that are theirs go over to them at each start, since root may
have left something in them meanwhile; links that their user put there lead nowhere.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Sequence
from pathlib import Path

from sealock.core.errors import UsageError

PASSING = 0o001
"""The right of everybody to pass through a directory, and no more: not to see what is in it."""


def become(user: str, owned: Sequence[Path], *, whose: str, needs: Sequence[Path] = ()) -> str:
    """Run as `user` from here on, for good, if we are root; `` changes nothing. owned: directories that are
    that process's alone, handed over to that user first. whose: what the process is called, such as `keeper`.
    needs: what else its user must be able to read. Returns a line that says who we are.

    UsageError if there is no such user, or it cannot reach all of it.
    """
    if not user or os.geteuid() != 0:
        name = _name(os.geteuid())
        if os.geteuid() == 0:
            return (
                f"user: {name}; nothing that {name} runs is kept out. The {whose} can have a user of its own"
            )
        return f"user: {name}; whoever else runs as {name}, and root, is not kept out"
    found = entry(user, whose)
    for directory in owned:
        hand_over(directory, found)
    os.setgroups([])
    os.setresgid(found.pw_gid, found.pw_gid, found.pw_gid)
    os.setresuid(found.pw_uid, found.pw_uid, found.pw_uid)
    for place in (*owned, *needs):
        _refuse_out_of_reach(place, user, whose)
    return f"user: {user}, the {whose}'s own; only root is not kept out"


def entry(user: str, whose: str) -> pwd.struct_passwd:
    """That user, by name. UsageError if there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError as error:
        raise UsageError(
            f"there is no user {user} for the {whose}",
            resolution=f"Make it: useradd --system --no-create-home --shell /usr/sbin/nologin {user}",
        ) from error


def let_pass(directory: Path) -> None:
    """Let everybody pass through a directory of ours."""
    directory.chmod(directory.stat().st_mode & 0o7777 | PASSING)


def close(directory: Path) -> None:
    """Let nobody into a directory of ours but us and its group."""
    directory.chmod(directory.stat().st_mode & 0o7770)


def hand_over(directory: Path, to: pwd.struct_passwd) -> None:
    """What is root's in there, such as a file that was edited. The user may have put in links of either
    kind, or put them in while we look; what they lead to stays whose it is."""
    for _, directories, files, place in os.fwalk(directory, follow_symlinks=False):
        for name in (*directories, *files):
            _give(name, place, to)
        os.fchown(place, to.pw_uid, to.pw_gid)


def _give(name: str, place: int, to: pwd.struct_passwd) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        found = os.open(name, flags, dir_fd=place)
    except OSError:  # a link, or gone again
        return
    try:
        status = os.fstat(found)
        alone = stat.S_ISDIR(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1)
        if status.st_uid == 0 and alone:
            os.fchown(found, to.pw_uid, to.pw_gid)
    finally:
        os.close(found)


def _refuse_out_of_reach(place: Path, user: str, whose: str) -> None:
    for each in (*reversed(place.parents), place):
        if each == place and not place.is_dir():
            may, told, let = (
                os.R_OK,
                f"It may not read {each}.",
                "give it an owner or a group that may",
            )
        else:
            may, told, let = os.X_OK, f"It may not pass through {each}.", f"chmod o+x {each}"
        if not os.access(each, may):
            raise UsageError(
                f"the {whose}'s user {user} cannot reach {place}",
                details=told,
                resolution=f"Let it: {let}. Or put it somewhere else.",
            )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
