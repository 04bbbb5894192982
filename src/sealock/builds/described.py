"""What a commit says of itself, read where it was fetched to: its message and who wrote it."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.builds.guest_git import GuestGit
from sealock.core.machine import Machine
from sealock.core.source import Checkout

LONGEST_MESSAGE = 2000
LONGEST_AUTHOR = 200
"""Characters of each that are told."""


@dataclass(frozen=True)
class Described:
    """commit: 40 or 64 hexadecimal digits. message and author: whatever stands there, in valid Unicode."""

    commit: str
    message: str = ""
    author: str = ""


async def describe(machine: Machine, done: Checkout) -> Described:
    """The commit that was checked out. PermanentError if Git fails."""
    git = GuestGit(machine, f"{done.directory}/.git")
    said = await git.must("log", "-1", "--no-show-signature", "--format=%an%x00%B", done.commit, "--")
    author, _, message = said.decode(errors="replace").partition("\0")
    return Described(done.commit, message.strip()[:LONGEST_MESSAGE], author.strip()[:LONGEST_AUTHOR])
