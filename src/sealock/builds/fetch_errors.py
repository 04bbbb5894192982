"""Says in plain words why a fetch failed, from what git and ssh wrote (in English: LC_ALL=C).

Only phrases that have been stable for years are looked for; anything else is shown as it is. What the
guest says can only choose between these errors, and text from it is shown as details.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.project import Project


@dataclass(frozen=True)
class Attempt:
    """What was tried. what: names the repository. want: the ref or commit, None for the default branch.

    project: whose key was used, None where none was needed.
    """

    what: str
    want: str | None
    project: Project | None


def explain(said: str, attempt: Attempt) -> SealockError:
    """The error for a fetch that ended with this on its standard error."""
    for phrases, error in _KNOWN:
        if any(phrase in said for phrase in phrases):
            return error(said, attempt)
    return TemporaryError(
        f"{attempt.what} could not be fetched",
        details=_shown(said),
        resolution="Look at what Git says; try again.",
    )


def fingerprint(key: str) -> str:
    """`SHA256:…` of an `algorithm base64` line, as OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _another_host_key(said: str, attempt: Attempt) -> SealockError:
    host_keys = attempt.project.host_keys if attempt.project else ()
    expected = [f"expected {key.split()[0]} {fingerprint(key)}" for key in host_keys]
    shown = re.findall(r"SHA256:[A-Za-z0-9+/]{43}", said)
    offered = re.findall(r"Their offer: ([A-Za-z0-9@.,-]+)", said)
    got = [f"got {each}" for each in (*shown, *offered)] or ["the server could not prove any of them"]
    return PermanentError(
        f"the server of {attempt.what} proved itself by another host key",
        details="\n".join([*expected, *got]),
        resolution="Somebody may be between you and the server: fetch nothing until its operator confirms "
        "the new fingerprint. Then make the project anew with that host key.",
    )


def _key_refused(said: str, attempt: Attempt) -> SealockError:
    project = attempt.project
    if project is None:
        return TemporaryError(f"{attempt.what} refused the connection", details=_shown(said))
    return UsageError(
        f"{project.address.host} did not accept the key of project {project.name}",
        details=project.public_key,
        resolution=f"Install the project's public key as a deploy key (read only) of {attempt.what}, or in "
        f"~/.ssh/authorized_keys of the user {project.address.user} on a server of your own. The project's "
        f"page shows it, `sealock projects key {project.name}` prints it (for `sealock run`: "
        f"`sealock project key {project.name}`).",
    )


def _no_repository(said: str, attempt: Attempt) -> SealockError:
    key = "" if attempt.project is None else " and that the project's key may read it"
    return UsageError(
        f"{attempt.what} was not found",
        details=_shown(said),
        resolution=f"Check how it is written{key}.",
    )


def _no_ref(said: str, attempt: Attempt) -> SealockError:
    if attempt.want in {None, "HEAD"}:
        return UsageError(
            f"{attempt.what} has no default branch",
            details=_shown(said),
            resolution="If it is empty, push a first commit; otherwise name a branch with --ref.",
        )
    return UsageError(
        f"{attempt.what} has no branch, tag or commit {attempt.want!r}",
        details=_shown(said),
        resolution="Check the name with `git ls-remote`; a commit needs all its 40 or 64 digits.",
    )


def _other_format(said: str, attempt: Attempt) -> SealockError:
    return UsageError(
        f"{attempt.what} counts its objects by SHA-256",
        details=_shown(said),
        resolution="Name the commit to build with all its 64 digits.",
    )


def _unreachable(said: str, attempt: Attempt) -> SealockError:
    return TemporaryError(
        f"the connection to {attempt.what} broke",
        details=_shown(said),
        resolution="Try again; if it stays so, ask the server's operator.",
    )


def _full(said: str, attempt: Attempt) -> SealockError:
    return UsageError(
        f"the machine's disk is too small for {attempt.what}",
        details=_shown(said),
        resolution="Ask for a larger one in sealock.yml, or fetch less of the history.",
    )


_KNOWN: tuple[tuple[tuple[str, ...], Callable[[str, Attempt], SealockError]], ...] = (
    (("Host key verification failed", "no matching host key type found"), _another_host_key),
    (("Permission denied (", "Too many authentication failures"), _key_refused),
    (("No space left on device",), _full),
    (("couldn't find remote ref", "not our ref", "unadvertised object", "nonexistent object"), _no_ref),
    (("mismatched algorithms",), _other_format),
    (
        (
            "does not appear to be a git repository",
            "Repository not found",
            "repository not found",
            "no such repository",
            "does not exist",
            "could not be found",
        ),
        _no_repository,
    ),
    (
        ("Connection closed", "Connection reset", "Connection timed out", "Connection refused", "hung up"),
        _unreachable,
    ),
)


def _shown(said: str) -> str:
    """At most twenty lines, without control characters."""
    lines = ["".join(letter for letter in line if letter.isprintable()) for line in said.splitlines()]
    return "\n".join(line[:500] for line in lines[-20:])
