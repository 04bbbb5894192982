"""Run a program of the host for a build: watched line by line, and never outliving us.

A build may be killed at any point. Programs run with a parent-death signal, and the ones that start
many others in a process namespace of their own, so that nothing goes on working in a directory that
the next build will clear away.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sealock.core.errors import PermanentError

_LINES_KEPT = 25
_KEPT = frozenset(
    {"home", "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "ssl_cert_file"}
)

# Root is root; another user is root in a user namespace of its own, over a range of further users.
_ROOT_OF_OWN = {False: (), True: ("--map-root-user", "--map-auto")}

OnLine = Callable[[str], None]


def run(
    argv: Sequence[str],
    what: str,
    *,
    on_line: OnLine | None = None,
    env: Mapping[str, str] | None = None,
    contain: bool = False,
) -> str:
    """Run to the end and return standard output and error together. `on_line` sees each line as it
    comes. contain: as root, or what passes for root here, and its children die with it. PermanentError,
    with the last lines, says that `what` failed; a KeyboardInterrupt or other error on our side ends
    the program first."""
    lines: list[str] = []
    with _start(argv, env, contain) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if on_line:
                    on_line(line.rstrip())
        except BaseException:
            _end(process)
            raise
    if process.returncode != 0:
        raise PermanentError(f"{what} failed", details=_last(argv, process.returncode, lines))
    return "".join(lines)


def output(argv: Sequence[str], what: str) -> str:
    """Standard output alone, with no progress to show. PermanentError if it fails."""
    try:
        done = subprocess.run(
            [*_leash(False), *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=_environment(),
        )
    except FileNotFoundError as error:
        raise missing(argv[0]) from error
    if done.returncode != 0:
        raise PermanentError(
            f"{what} failed", details=_last(argv, done.returncode, [done.stdout, done.stderr])
        )
    return done.stdout


def require(programs: Mapping[str, str]) -> None:
    """PermanentError if one of these programs is missing; maps a program to its Debian package."""
    absent = {package for program, package in programs.items() if shutil.which(program, path=_path()) is None}
    if absent:
        raise PermanentError(
            "images cannot be built here: programs are missing",
            details=f"missing packages: {' '.join(sorted(absent))}",
            resolution=f"Install them: apt-get install {' '.join(sorted(absent))}",
        )


def missing(program: str) -> PermanentError:
    """The error for a program that is not there."""
    return PermanentError(
        f"the program {program} is missing",
        resolution="Install the package that brings it, and run this again.",
    )


def _start(argv: Sequence[str], env: Mapping[str, str] | None, contain: bool) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            [*_leash(contain), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**_environment(), **(env or {})},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise missing(argv[0]) from error


def _leash(contain: bool) -> list[str]:
    leash = ["setpriv", "--pdeathsig", "KILL", "--"]
    if contain:
        leash += [
            "unshare",
            *_ROOT_OF_OWN[os.geteuid() != 0],
            "--mount",
            "--pid",
            "--fork",
            "--kill-child=KILL",
        ]
        leash += ["--mount-proc", "--"]
    return leash


def _environment() -> dict[str, str]:
    """Only what a download needs: the rest of our environment is nobody's business in an image."""
    kept = {name: value for name, value in os.environ.items() if name.lower() in _KEPT}
    return {**kept, "PATH": _path(), "LC_ALL": "C.UTF-8"}


def _path() -> str:
    # An ordinary user's PATH lacks sbin, where some of these programs live.
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last(argv: Sequence[str], code: int, lines: list[str]) -> str:
    tail = deque("".join(lines).splitlines(), maxlen=_LINES_KEPT)
    return "\n".join([f"{argv[0]} ended with {code}", *tail])
