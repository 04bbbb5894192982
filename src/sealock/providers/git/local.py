"""Opens repositories on this host: decides the commit, reads a file of it, hands the rest to the guest.

The guest fetches from `git upload-pack`, which reads only. A snapshot of the working tree lives in
memory for as long as the block, see `snapshot`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.machine import Connect
from sealock.core.repository import Repository
from sealock.core.scratch import scratch
from sealock.core.source import DirectorySource
from sealock.core.tree import SUBMODULE, parse_tree, plain_file
from sealock.providers.git.commands import answer, must
from sealock.providers.git.ref import check_ref
from sealock.providers.git.resolve import Place, branch_of, commit_of, place_of
from sealock.providers.git.serve import Uploads
from sealock.providers.git.snapshot import borrowing, snapshot

DEEPEST = 4
"""Levels of submodules."""


class LocalRepositories:
    """Opens repositories of this host (`core.repository.Repositories`)."""

    def __init__(self, runtime_dir: Path) -> None:
        """runtime_dir: on tmpfs; snapshots are made in it."""
        self._runtime_dir = runtime_dir

    @asynccontextmanager
    async def open(self, source: DirectorySource) -> AsyncIterator[Repository]:
        """Decide the commit and hold the repository open. See `core.repository.Repositories.open`."""
        if source.ref is not None and source.working_tree:
            raise UsageError(
                "a ref and the working tree cannot both be built",
                resolution="Leave out --ref, or --working-tree.",
            )
        ref = None if source.ref is None else check_ref(source.ref)
        async with AsyncExitStack() as stack:
            opening = _Opening(stack, self._runtime_dir)
            place = await place_of(source.path)
            if source.working_tree:
                yield await opening.working_tree(place)
            else:
                branch = await branch_of(place, ref)
                yield await opening.commit(place, await commit_of(place, ref), branch)


class LocalRepository:
    """A repository of this host (`core.repository.Repository`)."""

    def __init__(
        self,
        place: Place,
        commit: str,
        branch: str | None,
        uploads: Uploads,
        submodules: dict[str, Repository],
    ) -> None:
        self.name = place.name
        self.commit = commit
        self.branch = branch
        self._place = place
        self._uploads = uploads
        self._submodules = submodules

    async def read_file(self, name: str, limit: int) -> bytes | None:
        """A file of the commit. See the port."""
        at, env = self._place.directory, self._uploads.env
        listed = await must(at, ["ls-tree", "-z", "--long", "--full-tree", self.commit, "--", name], env=env)
        found = plain_file(parse_tree(listed), name, limit)
        return None if found is None else await must(at, ["cat-file", "blob", found], env=env)

    def connector(self) -> Connect:
        """What starts `git upload-pack` on it. See the port."""
        return self._uploads.connect

    async def submodules(self) -> dict[str, Repository]:
        """Its initialised submodules, by path."""
        return self._submodules


class _Opening:
    """Opens a repository and its initialised submodules for as long as the stack's block."""

    def __init__(self, stack: AsyncExitStack, runtime_dir: Path) -> None:
        self._stack = stack
        self._runtime_dir = runtime_dir

    async def commit(self, place: Place, commit: str, branch: str | None, level: int = 0) -> LocalRepository:
        listed = await must(place.directory, ["ls-tree", "-z", "-r", "--long", "--full-tree", commit])
        links = {each.path: each.object for each in parse_tree(listed) if each.mode == SUBMODULE}
        modules: dict[str, Repository] = {}
        for inner in _initialised(place, links, level):
            at = await place_of(place.directory / inner)
            if await answer(at.directory, ["rev-parse", "--verify", "-q", f"{links[inner]}^{{commit}}"]):
                modules[inner] = await self.commit(at, links[inner], None, level + 1)
        return LocalRepository(place, commit, branch, self._uploads(place, {}), modules)

    async def working_tree(self, place: Place, level: int = 0) -> LocalRepository:
        if place.top is None:
            raise UsageError(f"{place.name} has no working tree", resolution="Leave out --working-tree.")
        listed = (await must(place.top, ["ls-files", "-z", "--stage"])).split(b"\0")[:-1]
        links = [
            os.fsdecode(each.partition(b"\t")[2]) for each in listed if each.startswith(SUBMODULE.encode())
        ]
        modules: dict[str, Repository] = {}
        for inner in _initialised(place, links, level):
            modules[inner] = await self.working_tree(await place_of(place.top / inner), level + 1)
        head = await answer(place.top, ["rev-parse", "--verify", "-q", "HEAD^{commit}"]) or None
        store = self._stack.enter_context(scratch(self._runtime_dir, "snapshot"))
        commits = {inner: module.commit for inner, module in modules.items()}
        commit = await snapshot(place.top, head, commits, store)
        branch = await branch_of(place, None)
        return LocalRepository(place, commit, branch, self._uploads(place, borrowing(store)), modules)

    def _uploads(self, place: Place, env: dict[str, str]) -> Uploads:
        uploads = Uploads(place.git_dir, env)
        self._stack.push_async_callback(uploads.close)
        return uploads


def _initialised(place: Place, links: Iterable[str], level: int) -> list[str]:
    """The submodules that lie there: those whose directory is a repository of its own."""
    if place.top is None or level >= DEEPEST:
        return []
    return [
        inner
        for inner in links
        if (place.top / inner / ".git").exists() and (place.top / inner).resolve() == place.top / inner
    ]
