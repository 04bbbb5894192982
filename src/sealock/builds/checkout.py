"""Takes the code into a machine: with the project's key for a repository elsewhere, or out of a directory.

The guest's Git is told what to fetch in lists of arguments. It reaches the Git server through a port on
its own loopback that we answer, and the project's key through a socket that leads to an agent outside.
All that needs the key comes first: the commit, and submodules on the same host. Then key, agent and
port are gone, and only then is the working tree written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sealock.builds.guest_git import FETCH_SECONDS, WANTED, GuestGit
from sealock.builds.on_branch import is_on_branch
from sealock.builds.placed import empty_repository
from sealock.builds.submodules import Submodules, Taken, fetch_wanted
from sealock.builds.upstream import OURS, OnThisHost, Upstream, server
from sealock.core.errors import PermanentError, UsageError
from sealock.core.event import Emit
from sealock.core.keys import Agents, KeyRelease
from sealock.core.machine import Machine
from sealock.core.project import Project
from sealock.core.repository import GitDialer, Repository
from sealock.core.source import Checkout, DirectorySource, GitAddress, GitOrigin, RemoteSource, Source


@dataclass(frozen=True)
class CheckoutPorts:
    """What a checkout works with, the same for every build.

    parse_address and check_ref return what they were given in checked form, or raise UsageError
    (`providers.git.address.parse`, `providers.git.ref.check_ref`). dial: the guest's script for
    directory sources.
    """

    dialer: GitDialer
    agents: Agents
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
    keys: KeyRelease | None = None,
    repository: Repository | None = None,
) -> Checkout:
    """Fetch the source into the machine and write its working tree to `<home>/project`.

    plan_depth: commits to fetch, 0 for all. project, keys: needed for a RemoteSource: what it is fetched as,
    with the server's host keys, and who hands out the project's key. repository: needed for a
    DirectorySource, from `core.repository.Repositories.open`. emit gets a Notice for each submodule that
    was left out.

    UsageError: unknown ref, empty repository, key not accepted, repository not found, a hostile
    submodule. PermanentError: the Git server proved itself by another host key. TemporaryError: the
    server could not be reached, the machine was lost.
    """
    fetch = _Fetch(machine, plan_depth, submodules, ports, emit)
    if isinstance(source, DirectorySource):
        if repository is None:
            raise ValueError("a directory is checked out from its open repository")
        return await fetch.from_directory(repository)
    if project is None or keys is None:
        raise ValueError("a repository on a Git server is fetched with its project's key")
    return await fetch.from_server(source, project, keys)


@dataclass(frozen=True)
class _Fetched:
    """What lies in the machine before its working tree is written. branch: what to call it, if known."""

    commit: str
    branch: str | None
    submodules: tuple[Taken, ...]


class _Fetch:
    """One checkout under way."""

    def __init__(
        self, machine: Machine, depth: int, submodules: bool, ports: CheckoutPorts, emit: Emit
    ) -> None:
        self._machine = machine
        self._depth = depth
        self._with_submodules = submodules
        self._ports = ports
        self._submodules = Submodules(depth, emit)
        self._directory = f"{machine.home}/project"
        self._git = GuestGit(machine, f"{self._directory}/.git")

    async def from_directory(self, repository: Repository) -> Checkout:
        await self._init(repository.commit)
        upstream = OnThisHost(repository, self._machine, self._ports.dial)
        fetched = await self._fetch(upstream, repository.commit, repository.branch)
        await self._write(fetched)
        return Checkout(fetched.commit, self._directory)

    async def from_server(self, source: RemoteSource, project: Project, keys: KeyRelease) -> Checkout:
        if source.address != project.address:
            raise UsageError(
                f"the project {project.name} builds {project.address}, not {source.address}",
                resolution="Make a project for this repository: each has a key of its own.",
            )
        want = "HEAD" if source.ref is None else self._ports.check_ref(source.ref)
        beside = (
            self._ports.check_ref(source.branch) if source.branch and _is_commit(want, len(want)) else None
        )
        files = empty_repository(_is_commit(want, 64), str(project.address))
        host = project.address.host
        key = await keys.open_key(project)
        async with (
            self._ports.agents.agent(
                key, host=host, host_keys=project.host_keys, lifetime=FETCH_SECONDS
            ) as opened,
            self._machine.serve_socket("agent", opened.socket) as socket,
            server(
                self._machine, project, socket, self._ports.dialer, self._ports.parse_address, files=files
            ) as upstream,
        ):
            fetched = await self._fetch(upstream, want, None, beside)
            branch = await self._branch_of(fetched, want, beside, upstream)
        # From here on there is no key: the agent has ended, and what led to it from the guest is closed.
        if opened.removed_at is None:
            raise PermanentError("the key's agent did not say when it ended; the build does not go on")
        await self._write(fetched)
        times = opened.opened_at, opened.removed_at
        # Of what it was fetched through, not of what was asked for: secrets are given by it.
        origin = GitOrigin(upstream.address, upstream.project.host_keys)
        return Checkout(fetched.commit, self._directory, *times, branch, origin)

    async def _init(self, want: str) -> None:
        await self._git.init(self._directory, "sha256" if _is_commit(want, 64) else "sha1")

    async def _fetch(
        self, upstream: Upstream, want: str, branch: str | None, beside: str | None = None
    ) -> _Fetched:
        commit = await fetch_wanted(self._git, upstream, want, self._depth, beside)
        if _is_commit(want, len(want)) and commit != want:
            raise UsageError(
                f"{want} is no commit of {upstream.what}",
                resolution=f"It leads to the commit {commit}: name that.",
            )
        taken: tuple[Taken, ...] = ()
        if self._with_submodules:
            taken = await self._submodules.fetch(self._git, commit, upstream)
        return _Fetched(commit, branch or await self._branch(want), taken)

    async def _branch_of(
        self, fetched: _Fetched, want: str, beside: str | None, upstream: Upstream
    ) -> str | None:
        """The branch that this was fetched from, or that leads to it."""
        if want == "HEAD":
            return await self._git.head_branch(fetched.commit)
        if beside is None:
            return fetched.branch
        return beside if await is_on_branch(self._git, upstream, fetched.commit, beside) else None

    async def _branch(self, want: str) -> str | None:
        """The branch's name if what was asked for is one: Git notes what the server called it."""
        if want == "HEAD" or _is_commit(want, len(want)):
            return None
        noted = await self._machine.run(["head", "-c", "4096", "--", f"{self._git.git_dir}/FETCH_HEAD"])
        name = want.removeprefix("refs/heads/")
        return name if f"\tbranch '{name}' of ".encode() in noted.stdout else None

    async def _write(self, fetched: _Fetched) -> None:
        """Write the working tree, and leave a repository as a clone would: no trace of our ports."""
        place = ["--detach"] if fetched.branch in {None, "HEAD"} else ["-B", str(fetched.branch)]
        ours = f"{self._machine.home}/{OURS}", f"{self._git.git_dir}/FETCH_HEAD"
        fixed = ["checkout", "--quiet", "--force"]
        await self._git.in_tree(self._directory, *fixed, *place, WANTED, "--", removing=ours)
        await self._submodules.write(self._directory, fetched.submodules)


def _is_commit(text: str, length: int) -> bool:
    return len(text) == length and length in {40, 64} and not set(text) - set("0123456789abcdef")
