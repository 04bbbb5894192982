"""One level of a commit's tree, as `git ls-tree -z --long` prints it and as Git keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealock.core.errors import UsageError

LINK = "120000"
SUBMODULE = "160000"


@dataclass(frozen=True)
class TreeEntry:
    """mode: six octal digits. kind: `blob`, `tree` or `commit`. size: bytes, None if it is no blob."""

    mode: str
    kind: str
    object: str
    size: int | None
    path: str


def parse_tree(output: bytes) -> list[TreeEntry]:
    """The entries `git ls-tree -z --long` printed. ValueError if that is not what it is."""
    entries = []
    for record in output.split(b"\0")[:-1]:
        about, _, path = record.partition(b"\t")
        mode, kind, name, size = about.decode("ascii").split()
        entries.append(
            TreeEntry(
                mode, kind, name, None if size == "-" else int(size), path.decode(errors="surrogateescape")
            )
        )
    return entries


def parse_raw_tree(data: bytes, id_length: int) -> list[TreeEntry]:
    """The entries of a tree object, whose ids have that many bytes; no sizes stand there. ValueError if that
    is not what it is."""
    entries, at = [], 0
    while at < len(data):
        end = data.index(b"\0", at)
        mode, _, path = data[at:end].partition(b" ")
        at = end + 1 + id_length
        if at > len(data):
            raise ValueError("a tree ends in the middle of an id")
        digits = mode.decode("ascii").rjust(6, "0")
        kind = {"040000": "tree", SUBMODULE: "commit"}.get(digits, "blob")
        name = data[end + 1 : at].hex()
        entries.append(TreeEntry(digits, kind, name, None, path.decode(errors="surrogateescape")))
    return entries


def plain_file(entries: Sequence[TreeEntry], name: str, limit: int | None = None) -> str | None:
    """The object of the file `name`, None if it is not there. UsageError if it is a link, a directory or
    longer than `limit` bytes. limit: None if that is not known from the entries."""
    entry = next((each for each in entries if each.path == name), None)
    if entry is None:
        return None
    if entry.mode == LINK or entry.kind != "blob":
        what = "a symbolic link" if entry.mode == LINK else "no file"
        raise UsageError(f"{name} is {what} in this commit", resolution=f"Commit {name} as a regular file.")
    if limit is not None and (entry.size is None or entry.size > limit):
        raise UsageError(
            f"{name} is too large: {entry.size} bytes, at most {limit} are read",
            resolution=f"Shorten {name}.",
        )
    return entry.object
