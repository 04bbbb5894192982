"""Makes a commit of what lies in a working tree now, without a trace in the repository.

New objects go to a directory in memory that only borrows the repository's own; the index that the tree
is made from lies there too. File contents are taken as they are: no filter and no line-end conversion
of the repository's configuration is run. Ignored files stay out: that is where secrets lie.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path

from sealock.core.errors import UsageError
from sealock.core.tree import LINK, SUBMODULE
from sealock.providers.git.commands import answer, must

_WHO = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Sealock"), ("EMAIL", "sealock@localhost"), ("DATE", "@0 +0000"))
}
"""The same files on the same commit make the same commit."""


async def snapshot(top: Path, head: str | None, modules: Mapping[str, str], store: Path) -> str:
    """The commit of the working tree `top`; `head` itself if nothing differs from it.

    head: its parent, None if there is none. modules: commits of the submodules, by path. store: an
    empty directory in memory. Use `borrowing(store)` to read the commit afterwards.
    """
    await _borrow(top, store)
    env = {**borrowing(store), "GIT_INDEX_FILE": str(store / "index"), **_WHO}
    index = await _index(top)
    untracked = await must(top, ["ls-files", "-z", "--others", "--exclude-standard"])
    algorithm = await answer(top, ["rev-parse", "--show-object-format"])
    names = [name for name in untracked.split(b"\0")[:-1] if not name.endswith(b"/")]
    tree = _Tree(top, store / "objects", algorithm)
    lines = await asyncio.to_thread(tree.entries, index, names, modules)
    await must(top, ["update-index", "-z", "--index-info"], env=env, stdin=b"".join(lines))
    name = (await must(top, ["write-tree"], env=env)).decode().strip()
    if head and name == await answer(top, ["rev-parse", "--verify", "-q", f"{head}^{{tree}}"]):
        return head
    parents = ["-p", head] if head else []
    made = await must(top, ["commit-tree", *parents, "-m", "What lies in the working tree", name], env=env)
    return made.decode().strip()


def borrowing(store: Path) -> dict[str, str]:
    """The environment in which git sees the snapshot's objects beside the repository's own."""
    return {"GIT_OBJECT_DIRECTORY": str(store / "objects")}


async def _borrow(top: Path, store: Path) -> None:
    objects = await answer(top, ["rev-parse", "--path-format=absolute", "--git-path", "objects"])
    if "\n" in objects:
        raise UsageError("a directory with a line break in its name cannot be built", resolution="Rename it.")
    information = store / "objects" / "info"
    information.mkdir(parents=True)
    (information / "alternates").write_bytes(os.fsencode(objects) + b"\n")


async def _index(top: Path) -> dict[bytes, tuple[bytes, bytes, bool]]:
    """Mode, object and whether it is left out of a sparse working tree, by path, of tracked files."""
    listed = await must(top, ["ls-files", "-z", "-t", "--stage"])
    found = {}
    for record in listed.split(b"\0")[:-1]:
        about, _, name = record.partition(b"\t")
        tag, mode, object_name, _stage = about.split(b" ")
        found[name] = (mode, object_name, tag == b"S")
    return found


class _Tree:
    """Reads a working tree and keeps what it finds as loose objects. Blocking: runs in a thread."""

    def __init__(self, top: Path, objects: Path, algorithm: str) -> None:
        self._top = top
        self._objects = objects
        self._algorithm = algorithm
        self._real: dict[bytes, bool] = {b"": True}

    def entries(
        self,
        index: Mapping[bytes, tuple[bytes, bytes, bool]],
        untracked: list[bytes],
        modules: Mapping[str, str],
    ) -> list[bytes]:
        """Lines for `git update-index -z --index-info`."""
        lines = []
        for name, (mode, object_name, sparse) in index.items():
            if mode == SUBMODULE.encode():
                module = modules.get(os.fsdecode(name))
                lines.append(_line(mode, module.encode() if module else object_name, name))
                continue
            found = self._look(name, object_name)
            if found is None and sparse:
                found = (mode, object_name)
            if found is not None:
                lines.append(_line(*found, name))
        for name in untracked:
            found = self._look(name, b"")
            if found is not None:
                lines.append(_line(*found, name))
        return lines

    def _look(self, name: bytes, known: bytes) -> tuple[bytes, bytes] | None:
        """Mode and object of what lies there; None if it is gone or no file. known: an object that is
        in the repository already."""
        if not self._is_real(name.rpartition(b"/")[0]):
            return None
        path = self._top / os.fsdecode(name)
        try:
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):
                # `Path.readlink` would tidy the text up.
                return LINK.encode(), self._keep(os.fsencode(os.readlink(path)), known)  # noqa: PTH115
            if not stat.S_ISREG(found.st_mode):
                return None
            # A link put there since is not followed, a pipe not waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise UsageError(
                f"{os.fsdecode(name)!r} cannot be read: {error.strerror}",
                resolution="Make it readable, or have Git ignore it.",
            ) from error
        with os.fdopen(descriptor, "rb") as file:
            mode = b"100755" if found.st_mode & stat.S_IXUSR else b"100644"
            return mode, self._keep(file.read(), known)

    def _is_real(self, directory: bytes) -> bool:
        """Whether it is reached without a link: through one, Git's tracked `a/b` might be anything."""
        if directory not in self._real:
            parent = directory.rpartition(b"/")[0]
            try:
                mode = (self._top / os.fsdecode(directory)).lstat().st_mode
            except OSError:
                mode = 0
            self._real[directory] = self._is_real(parent) and stat.S_ISDIR(mode)
        return self._real[directory]

    def _keep(self, content: bytes, known: bytes) -> bytes:
        """The object's name; it is written unless the repository has it."""
        whole = b"blob %d\0" % len(content) + content
        name = hashlib.new(self._algorithm, whole, usedforsecurity=False).hexdigest()
        path = self._objects / name[:2] / name[2:]
        if name.encode() != known and not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return name.encode()


def _line(mode: bytes, object_name: bytes, name: bytes) -> bytes:
    return mode + b" " + object_name + b"\t" + name + b"\0"
