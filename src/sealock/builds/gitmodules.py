"""Reads what a commit says about its submodules, and refuses what could leave its place.

`.gitmodules` is written by whoever can push. A submodule's name becomes a directory in `.git`, its path
one in the working tree, its URL an argument: each has broken Git before (CVE-2017-1000117,
CVE-2018-11235, CVE-2018-17456, CVE-2024-32002, CVE-2025-48384). So each is matched from end to end here,
before Git is asked to act on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from sealock.core.errors import UsageError
from sealock.core.source import GitAddress

MOST = 64
"""Submodules of one project, nested ones included."""

DEEPEST = 4
"""Levels of submodules."""

LARGEST = 256 * 1024
"""Bytes of a `.gitmodules`."""

_NAME = re.compile(r"[A-Za-z0-9._+@=,~()-][A-Za-z0-9._+@=,~() -]*")
_ELSEWHERE = re.compile(r"(?:https?|git)://[A-Za-z0-9][A-Za-z0-9.:@_~/+-]*")


@dataclass(frozen=True)
class Submodule:
    """name, path and url: checked. commit: what the superproject wants of it."""

    name: str
    path: str
    url: str
    commit: str


def parse_settings(listed: bytes) -> list[tuple[str, str, str]]:
    """Name, path and URL of each submodule that has both, from what `git config -z --get-regexp` prints
    for a `.gitmodules`. UsageError for a name, path or URL that is refused, or one given twice."""
    found: dict[str, dict[str, str]] = {}
    for record in listed.split(b"\0")[:-1]:
        key, _, value = record.decode(errors="replace").partition("\n")
        name, _, setting = key.removeprefix("submodule.").rpartition(".")
        about = found.setdefault(name, {})
        if setting in about:
            raise _refused(name, f"its {setting} is given twice")
        about[setting] = value
    whole = [
        (name, each["path"], each["url"]) for name, each in found.items() if {"path", "url"} <= each.keys()
    ]
    for name, path, url in whole:
        _check(name, path, url)
    _refuse_nested([name for name, _, _ in whole], "name")
    _refuse_nested([path for _, path, _ in whole], "path")
    return whole


def address_of(
    module: Submodule, parent: GitAddress, parse_address: Callable[[str], GitAddress]
) -> GitAddress | str:
    """Where a submodule is fetched from; or, in a few words, why it is left out: it lies on another host
    than its superproject, where the project's key has no business. UsageError if its URL is refused."""
    if module.url.startswith(("./", "../")):
        joined = _join(parent, module)
        return parse_address(str(joined))
    if _ELSEWHERE.fullmatch(module.url):
        return f"it is not fetched over SSH from {parent.host}"
    try:
        address = parse_address(module.url)
    except UsageError as error:
        raise _refused(module.name, error.brief) from error
    if (address.user, address.host, address.port) != (parent.user, parent.host, parent.port):
        return f"it lies on {address.host}, not on {parent.host}"
    return address


def _check(name: str, path: str, url: str) -> None:
    if not all(_NAME.fullmatch(part) and not _is_special(part) for part in name.split("/")):
        raise _refused(name, "its name could lead out of .git/modules")
    if not path.isprintable() or "\\" in path or ":" in path or "\ufffd" in path:
        raise _refused(name, "its path holds characters that no path should")
    if not path or any(_is_special(part) for part in path.split("/")):
        raise _refused(name, "its path could lead out of the working tree")
    if url.startswith("-") or not url.isprintable() or not url:
        raise _refused(name, "its URL begins with `-`, is empty or holds control characters")


def _is_special(part: str) -> bool:
    """Empty, `.`, `..`, option-like, or what some file system would take for `.git`."""
    plain = part.casefold().rstrip(" .")
    return plain in {"", ".git", "git~1"} or part.startswith("-") or part != part.strip()


def _refuse_nested(values: Iterable[str], what: str) -> None:
    """One inside another (`a` and `a/hooks`) would let one repository write the other's inside."""
    folded = sorted(value.casefold().split("/") for value in values)
    for one, other in pairwise(folded):
        if other[: len(one)] == one:
            raise _refused("/".join(other), f"its {what} lies inside another submodule's")


def _join(parent: GitAddress, module: Submodule) -> GitAddress:
    segments = parent.path.strip("/").split("/")
    for part in module.url.removesuffix("/").split("/"):
        if part == "..":
            if not segments:
                raise _refused(module.name, f"{module.url!r} leads above the host's root")
            segments.pop()
        elif part != ".":
            segments.append(part)
    if not segments:
        raise _refused(module.name, f"{module.url!r} names no repository")
    root = "/" if parent.path.startswith("/") else ""
    return GitAddress(parent.user, parent.host, parent.port, root + "/".join(segments))


def _refused(name: str, why: str) -> UsageError:
    shown = "".join(letter if letter.isprintable() else "?" for letter in name[:100])
    return UsageError(
        f"the submodule {shown!r} is refused: {why}",
        resolution="Correct .gitmodules, or turn submodules off in sealock.yml.",
    )
