"""Finds the repository a directory belongs to, and the commit a ref of it names."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError, UsageError
from sealock.providers.git.commands import answer, git


@dataclass(frozen=True)
class Place:
    """directory: where to run git. top: the working tree's, None for a bare repository."""

    directory: Path
    git_dir: Path
    top: Path | None

    @property
    def name(self) -> str:
        """What people call it: its directory's name."""
        return self.directory.name.removesuffix(".git")


async def place_of(path: Path) -> Place:
    """The repository `path` lies in. UsageError if there is none, or it is somebody else's."""
    directory = path.resolve()
    if not directory.is_dir():
        raise UsageError(f"{path} is no directory", resolution="Give the directory of a Git repository.")
    found = await git(directory, ["rev-parse", "--path-format=absolute", "--git-dir"])
    if found.code != 0:
        raise _no_place(path, found.stderr)
    git_dir = Path(found.stdout.decode().removesuffix("\n"))
    top = await answer(directory, ["rev-parse", "--path-format=absolute", "--show-toplevel"])
    return Place(Path(top) if top else git_dir, git_dir, Path(top) if top else None)


async def commit_of(place: Place, ref: str | None) -> str:
    """The commit that a checked ref names, HEAD's without one. UsageError if there is none."""
    name = ref or "HEAD"
    found = await git(
        place.directory, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    )
    if found.code == 0:
        return found.stdout.decode().strip()
    refs = (await answer(place.directory, ["for-each-ref", "--format=%(refname:short)"])).split()
    if not refs:
        raise UsageError(
            f"{place.name} is an empty repository",
            resolution="Commit something first, or build --working-tree.",
        )
    near = difflib.get_close_matches(name, refs, n=3)
    raise UsageError(
        f"{place.name} has no branch, tag or commit {name!r}",
        details=f"Near it: {', '.join(near)}" if near else "",
        resolution="`git branch --all` and `git tag` list what there is.",
    )


async def branch_of(place: Place, ref: str | None) -> str | None:
    """The branch that a checked ref names, the current one without a ref; None if it is no branch."""
    if ref is None:
        return await answer(place.directory, ["symbolic-ref", "--quiet", "--short", "HEAD"]) or None
    name = ref.removeprefix("refs/heads/")
    known = await answer(place.directory, ["show-ref", "--verify", f"refs/heads/{name}"])
    tagged = await answer(place.directory, ["show-ref", "--verify", f"refs/tags/{ref}"])
    # Git reads a name that is both as the tag.
    return name if known and not tagged else None


def _no_place(path: Path, said: str) -> UsageError | PermanentError:
    if "dubious ownership" in said:
        return UsageError(
            f"the repository {path} belongs to another user",
            details=said.splitlines()[0],
            resolution="Run Sealock as its owner, or, if you trust it, let Git trust it too: "
            f"git config --global --add safe.directory {path.resolve()}",
        )
    if "not a git repository" in said:
        return UsageError(
            f"{path} is not a Git repository",
            resolution="Give the directory of one, or make one with `git init` and a first commit.",
        )
    return PermanentError(f"git cannot read {path}", details=said, resolution="Look at what Git says.")
