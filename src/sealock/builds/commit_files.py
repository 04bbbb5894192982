"""Reads a commit where it was fetched to: files of its uppermost directory, its message and its author.

All of it by one `git cat-file` that is asked again and again: to start a command takes a quarter of a second
in an emulated processor, longer than all it does here. Files are read out of the commit, not the working
tree, so no link is followed; and of one that is too large nothing is kept, because Git tells the size first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sealock.builds.described import Described, described
from sealock.builds.guest_git import GuestGit
from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.machine import Machine, Process
from sealock.core.source import Checkout
from sealock.core.tree import TreeEntry, parse_raw_tree, plain_file

LARGEST = 16 << 20
"""Bytes of a commit, or of the uppermost directory's list."""

ANSWERED = 120.0
"""Seconds for all that is read."""

_LONGEST_LINE = 1024


class CommitFiles:
    """Of one commit, for as long as the block of `commit_files` runs."""

    def __init__(self, process: Process, commit: str) -> None:
        self._process, self._commit = process, commit
        self._pieces = process.output()
        self._buffer = bytearray()
        self._tree: list[TreeEntry] | None = None

    async def read(self, name: str, limit: int) -> bytes | None:
        """A file of the uppermost directory, None if it is not there. UsageError if it is a link, a directory
        or longer than `limit` bytes."""
        if self._tree is None:
            self._tree = await self._entries()
        found = plain_file(self._tree, name)
        return None if found is None else await self._object(found, limit, name)

    async def _entries(self) -> list[TreeEntry]:
        raw = await self._object(f"{self._commit}^{{tree}}", LARGEST)
        try:
            return parse_raw_tree(raw, len(self._commit) // 2)
        except ValueError as error:
            raise UsageError(
                "the commit's list of files is damaged", details=str(error), resolution="Commit anew."
            ) from error

    async def describe(self) -> Described:
        """What the commit says of itself."""
        return described(self._commit, await self._object(self._commit, LARGEST))

    async def _object(self, asked: str, limit: int, name: str = "the commit") -> bytes:
        await self._process.write(f"{asked}\n".encode())
        line = (await self._until_newline()).decode(errors="replace")
        fields = line.split(" ")
        if len(fields) != 3 or not fields[2].isdigit():
            raise PermanentError(
                "Git failed in the machine", details=line, resolution="Look at what Git says."
            )
        size = int(fields[2])
        if size > limit:
            raise UsageError(
                f"{name} is too large: {size} bytes, at most {limit} are read", resolution=f"Shorten {name}."
            )
        return (await self._take(size + 1))[:-1]

    async def _until_newline(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise PermanentError("Git answered with something else in the machine")
            await self._more()
        return (await self._take(self._buffer.index(b"\n") + 1))[:-1]

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _more(self) -> None:
        async for piece in self._pieces:
            self._buffer += piece
            return
        said = (await self._process.wait()).stderr.decode(errors="replace").strip()
        raise PermanentError("Git failed in the machine", details=said, resolution="Look at what Git says.")


@asynccontextmanager
async def commit_files(machine: Machine, done: Checkout) -> AsyncIterator[CommitFiles]:
    """Those of the commit that was checked out, for as long as the block runs. TemporaryError if the machine
    is lost, or takes too long."""
    git = GuestGit(machine, f"{done.directory}/.git")
    try:
        async with asyncio.timeout(ANSWERED), git.process("cat-file", "--batch") as process:
            yield CommitFiles(process, done.commit)
            await process.close_input()
            await process.wait()
    except TimeoutError as error:
        raise TemporaryError(
            "the commit could not be read in the machine", resolution="Try again."
        ) from error
