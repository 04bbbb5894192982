"""Runs git on this host, on repositories of whoever runs Sealock.

Nothing that a repository's own configuration could name is run: no hooks, no file-system monitor, no
fetching of missing objects. Git's environment variables are not taken over from the caller's. Git's own
check that a repository belongs to its user stays on.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError, TemporaryError

SECONDS = 120.0
"""For one command. Reading a large working tree's index from a slow disk takes seconds."""

SAFE = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=keep"),
    *("-c", "protocol.allow=never"),
    *("-c", "gc.auto=0"),
)
_KEPT = ("PATH", "HOME", "XDG_CONFIG_HOME", "SUDO_UID")


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    stdout: bytes
    stderr: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What git is given: the caller's home (for safe.directory and ignored files), nothing of GIT_*."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    fixed = {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    return {**kept, **fixed, **(extra or {})}


async def git(
    directory: Path, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> Ran:
    """Run git in `directory` to its end, whatever its exit code. PermanentError if git is missing,
    TemporaryError if it takes longer than `SECONDS`."""
    try:
        process = await asyncio.create_subprocess_exec(
            *("git", *SAFE, *arguments),
            stdin=PIPE if stdin else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=directory,
            env=environment(env),
        )
    except FileNotFoundError as error:
        raise PermanentError("git is not installed", resolution="Install git on this host.") from error
    try:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await process.communicate(stdin or None)
    except TimeoutError as error:
        raise TemporaryError(
            f"git {arguments[0]} took longer than {SECONDS:.0f} s", resolution="Try again."
        ) from error
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())
    return Ran(process.returncode or 0, stdout, stderr.decode(errors="replace").strip())


async def answer(directory: Path, arguments: Sequence[str], *, env: Mapping[str, str] | None = None) -> str:
    """What git prints, without the last line break; empty if it fails."""
    ran = await git(directory, arguments, env=env)
    return os.fsdecode(ran.stdout).removesuffix("\n") if ran.code == 0 else ""


async def must(
    directory: Path, arguments: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> bytes:
    """What git prints. PermanentError if it fails."""
    ran = await git(directory, arguments, env=env, stdin=stdin)
    if ran.code != 0:
        raise PermanentError(
            f"git {arguments[0]} failed in {directory}",
            details=ran.stderr,
            resolution="Run `git fsck` there; if the repository is sound, this is a fault of Sealock.",
        )
    return ran.stdout
