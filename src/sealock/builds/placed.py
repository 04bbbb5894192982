"""Writes several small files into a machine by one command: to start one takes longer than to write them.

Among them is the empty repository that a fetch goes into, as `git init` makes it, with the remote `origin` as
a clone has it: two commands less.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from sealock.core.errors import PermanentError
from sealock.core.machine import Machine

PROJECT = "project"
"""The directory of the guest's home that the code is in."""

_CORE = """\
[core]
\trepositoryformatversion = {version}
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
"""
_ORIGIN = """\
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
"""


async def place(machine: Machine, files: Mapping[str, str | None], private: str) -> None:
    """Write them below the home directory, which has none of them yet. files: path to text, or to None for a
    directory, which comes before what is in it. private: the directory that is for its owner only."""
    command = ["tar", "--extract", "--no-same-owner", "--file=-", f"--directory={machine.home}"]
    done = await machine.run(command, stdin=_archive(files, private))
    if done.exit_code:
        raise PermanentError(
            "files cannot be written in the machine", details=done.stderr.decode(errors="replace")
        )


def empty_repository(is_sha256: bool, origin: str) -> dict[str, str | None]:
    """What `git init` and `git remote add origin` leave in `PROJECT`. is_sha256: its ids are."""
    git = f"{PROJECT}/.git"
    directories = ["", "/.git", "/.git/objects", "/.git/objects/info", "/.git/objects/pack"]
    directories += ["/.git/refs", "/.git/refs/heads", "/.git/refs/tags"]
    config = _CORE.format(version=1 if is_sha256 else 0)
    if is_sha256:
        config += "[extensions]\n\tobjectformat = sha256\n"
    config += _ORIGIN.format(url=_quoted(origin))
    made: dict[str, str | None] = {f"{PROJECT}{name}": None for name in directories}
    return {**made, f"{git}/HEAD": "ref: refs/heads/main\n", f"{git}/config": config}


def _quoted(text: str) -> str:
    """As a value in Git's configuration. ValueError for what cannot stand there."""
    if not text.isprintable():
        raise ValueError("an address has only characters that can be printed")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _archive(files: Mapping[str, str | None], private: str) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            data = b"" if text is None else text.encode()
            entry.size = len(data)
            entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if text is None else (tarfile.REGTYPE, 0o644)
            if path.split("/")[0] == private:
                entry.mode &= 0o700
            archive.addfile(entry, io.BytesIO(data))
    return output.getvalue()
