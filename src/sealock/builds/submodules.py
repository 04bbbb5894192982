"""Fetches submodules while the key is there, and writes their working trees once it is gone."""

from __future__ import annotations

from dataclasses import dataclass

from sealock.builds.fetch_errors import Attempt, explain
from sealock.builds.gitmodules import DEEPEST, LARGEST, MOST, Submodule, parse_settings
from sealock.builds.guest_git import GitFailed, GuestGit
from sealock.builds.upstream import Upstream
from sealock.core.errors import SealockError, TemporaryError, UsageError
from sealock.core.event import Emit, Notice
from sealock.core.tree import SUBMODULE, parse_tree


@dataclass(frozen=True)
class Taken:
    """A submodule that was fetched. inner: those of its own."""

    path: str
    git: GuestGit
    origin: str | None
    inner: tuple[Taken, ...]


async def fetch_wanted(
    git: GuestGit, upstream: Upstream, want: str, depth: int, beside: str | None = None
) -> str:
    """Fetch one ref or commit; returns the commit. beside: as for `GuestGit.fetch`. UsageError or
    InfrastructureError if it fails."""
    attempt = Attempt(upstream.what, want, upstream.project)
    try:
        async with upstream.route() as route:
            found = await git.fetch(route, want, depth, beside)
    except GitFailed as failed:
        raise why(failed, attempt, upstream) from failed
    if found is None:
        raise UsageError(
            f"{want!r} of {upstream.what} is no commit",
            resolution="Name a branch, a tag of a commit, or a commit.",
        )
    return found


class Submodules:
    """The submodules of one checkout."""

    def __init__(self, depth: int, emit: Emit) -> None:
        """depth: commits to fetch of each, 0 for all. emit: gets a Notice for each that is left out."""
        self._depth = depth
        self._emit = emit
        self._left = MOST

    async def fetch(
        self, git: GuestGit, commit: str, upstream: Upstream, level: int = 1
    ) -> tuple[Taken, ...]:
        """Fetch those of `commit` that lie where their superproject does, and theirs. UsageError for one
        that is hostile or cannot be fetched."""
        taken = []
        for module in await _modules(git, commit):
            where = "they are nested too deeply" if level > DEEPEST else await upstream.submodule(module)
            if isinstance(where, str):
                self._emit(Notice(f"The submodule {module.path} is left out: {where}."))
                continue
            self._count()
            taken.append(await self._fetch_one(git.inside(module.name), module, where, level))
        return tuple(taken)

    async def _fetch_one(self, git: GuestGit, module: Submodule, where: Upstream, level: int) -> Taken:
        await git.init(None, _object_format(module.commit))
        found = await fetch_wanted(git, where, module.commit, self._depth)
        if found != module.commit:
            raise UsageError(
                f"the submodule {module.path} wants {module.commit}, which is no commit of {where.what}",
                resolution="Commit the submodule again.",
            )
        inner = await self.fetch(git, module.commit, where, level + 1)
        return Taken(module.path, git, where.origin, inner)

    def _count(self) -> None:
        if self._left == 0:
            raise UsageError(
                f"the project has more than {MOST} submodules",
                resolution="Turn submodules off in sealock.yml and fetch what a pipeline needs there.",
            )
        self._left -= 1

    async def write(self, work_tree: str, taken: tuple[Taken, ...]) -> None:
        """Write the working trees, each superproject's before its submodules'. Nothing is fetched."""
        if not taken:
            return
        for one in taken:
            if one.origin is not None:
                await one.git.must("remote", "add", "origin", one.origin)
        fixed = ["submodule", "--quiet", "update", "--init", "--no-fetch", "--checkout", "--"]
        await taken[0].git.in_tree(work_tree, *fixed, *(one.path for one in taken))
        for one in taken:
            await self.write(f"{work_tree}/{one.path}", one.inner)


async def _modules(git: GuestGit, commit: str) -> list[Submodule]:
    """What `.gitmodules` and the tree of `commit` both say."""
    (found,) = await git.objects(f"{commit}:.gitmodules")
    if found is None:
        return []
    name, kind, size = found
    if kind != "blob" or size > LARGEST:
        raise UsageError(".gitmodules is no file, or too large", resolution="Correct .gitmodules.")
    pattern = r"^submodule\..*\.(path|url)$"
    listed = await git.run("config", "-z", f"--blob={name}", "--get-regexp", pattern)
    # Nothing that fits is 1 too, but says nothing.
    if listed.exit_code > 1 or (listed.exit_code and listed.stderr):
        raise UsageError(
            ".gitmodules cannot be read",
            details=listed.stderr.decode(errors="replace").strip(),
            resolution="Correct .gitmodules, or turn submodules off in sealock.yml.",
        )
    settings = {path: (name, url) for name, path, url in parse_settings(listed.stdout)}
    if not settings:
        return []
    tree = parse_tree(await git.must("ls-tree", "-z", "--long", "--full-tree", commit, "--", *settings))
    links = [entry for entry in tree if entry.mode == SUBMODULE and entry.path in settings]
    return [
        Submodule(settings[each.path][0], each.path, settings[each.path][1], each.object) for each in links
    ]


def _object_format(commit: str) -> str:
    return "sha256" if len(commit) == 64 else "sha1"


def why(failed: GitFailed, attempt: Attempt, upstream: Upstream) -> SealockError:
    """What went wrong on this side explains more than that the guest's connection closed."""
    trouble = upstream.trouble()
    if isinstance(trouble, SealockError):
        return trouble
    if trouble is not None:
        return TemporaryError(
            f"{attempt.what} cannot be reached",
            details=str(trouble),
            resolution="Check its address; try again.",
        )
    return explain(failed.said, attempt)
