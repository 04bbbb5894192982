"""A repository on this host, open for one build, and the way to a Git server from this host.

The guest fetches through its SSH connection to us, never over its own network: what it connects to on
its loopback is answered here, by one of these two.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sealock.core.machine import Connect
from sealock.core.source import DirectorySource, GitAddress


class GitDialer(Protocol):
    """Opens connections to Git servers, after checking where they lead."""

    def connector(self, address: GitAddress) -> Connect:
        """What opens a connection to the server of `address`. Calling it raises OSError when the server
        cannot be reached, UsageError when it lies where connections are not allowed to."""
        ...


class Repository(Protocol):
    """A repository of this host with the commit that will be built already decided.

    name: its directory's name. commit: 40 or 64 hexadecimal digits; of the working tree's snapshot if
    that was asked for. branch: the branch that was asked for, None if it was something else.
    """

    @property
    def name(self) -> str: ...

    @property
    def commit(self) -> str: ...

    @property
    def branch(self) -> str | None: ...

    async def read_file(self, name: str, limit: int) -> bytes | None:
        """A file of the commit, None if it is not there. UsageError if it is a link, a directory or
        longer than `limit` bytes."""
        ...

    def connector(self) -> Connect:
        """What starts `git upload-pack` on it, for one connection a call."""
        ...

    async def submodules(self) -> Mapping[str, Repository]:
        """Its initialised submodules, by their path in the tree."""
        ...


class Repositories(Protocol):
    """Opens repositories of this host."""

    def open(self, source: DirectorySource) -> AbstractAsyncContextManager[Repository]:
        """Decide the commit and hold the repository open for a build. Nothing in it is changed, also
        for a snapshot of its working tree, which is gone when the block is left.

        UsageError: not a repository, nothing committed yet, an unknown ref, somebody else's.
        """
        ...
