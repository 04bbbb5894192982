"""Takes the code into a machine: with the project's key for a repository elsewhere, or out of a directory.

The guest's Git is told what to fetch in lists of arguments. It reaches the Git server through a port on
its own loopback that we answer, and the project's key through a socket that leads to an agent outside.
All that needs the key comes first: the commit, and submodules on the same host. Then key, agent and
port are gone, and only then is the working tree written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealock.core.event import Emit
from sealock.core.keys import Agents, Opener
from sealock.core.machine import Machine
from sealock.core.project import Project
from sealock.core.repository import GitDialer, Repository
from sealock.core.source import Checkout, GitAddress, Source


@dataclass(frozen=True)
class CheckoutPorts:
    """What a checkout works with, the same for every build.

    parse_address and check_ref return what they were given in checked form, or raise UsageError
    (`providers.git.address.parse`, `providers.git.ref.check_ref`). dial: the guest's script for
    directory sources.
    """

    dialer: GitDialer
    agents: Agents
    opener: Opener
    parse_address: Callable[[str], GitAddress]
    check_ref: Callable[[str], str]
    dial: str = "/usr/lib/sealock/dial"


async def checkout(
    machine: Machine,
    source: Source,
    plan_depth: int,
    submodules: bool,
    *,
    ports: CheckoutPorts,
    emit: Emit,
    project: Project | None = None,
    repository: Repository | None = None,
) -> Checkout:
    """Fetch the source into the machine and write its working tree to `<home>/project`.

    plan_depth: commits to fetch, 0 for all. project: needed for a RemoteSource, whose key and host keys
    it holds. repository: needed for a DirectorySource, from `core.repository.Repositories.open`. emit
    gets a Notice for each submodule that was left out.

    UsageError: unknown ref, empty repository, key not accepted, repository not found, a hostile
    submodule. PermanentError: the Git server proved itself by another host key. TemporaryError: the
    server could not be reached, the machine was lost.
    """
    raise NotImplementedError


async def read_file(machine: Machine, done: Checkout, name: str, limit: int) -> bytes | None:
    """A file of the commit that was checked out, None if it is not there. It is read out of the commit,
    not the working tree, so no link is followed. UsageError if it is a link, a directory or longer than
    `limit` bytes."""
    raise NotImplementedError
