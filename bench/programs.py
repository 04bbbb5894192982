"""Programs that a benchmark runs: all they start is ended with them, also on Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PREPARE_SECONDS = 1800.0
END_SECONDS = 10.0
PAUSE_SECONDS = 0.1


class Missing(Exception):
    """Why something cannot be measured here."""


@contextmanager
def running(
    command: Sequence[str], output: int | IO[bytes], home: Path | None = None, place: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it in `place`, with its settings and temporary files in `home`; end all it started."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=place,
        env={**os.environ, **_environment(command[0], home)},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def _environment(program: str, home: Path | None) -> dict[str, str]:
    """vng calls programs that lie beside it, debvm those in directories a user's path may lack."""
    path = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    if Path(program).is_absolute():
        path.insert(0, str(Path(program).parent))
    mine = {"PATH": os.pathsep.join(path), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    return mine | ({"HOME": str(home), "TMPDIR": str(home)} if home else {})


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let what it left finish if it came to its end itself; else ask its group to end, so that it takes its
    temporary files along; then make it."""
    ended = process.poll() is not None
    with suppress(ProcessLookupError):
        for number in (0 if ended else signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            os.killpg(process.pid, number)
            deadline = time.monotonic() + END_SECONDS
            while time.monotonic() < deadline:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(PAUSE_SECONDS)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def do(*command: str, place: Path | None = None) -> str:
    """What it printed, run in that place. Missing if it failed."""
    name = Path(command[0]).name
    with tempfile.TemporaryFile() as output:
        try:
            with running(command, output, place=place) as process:
                status = process.wait(PREPARE_SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Missing(f"{name}: {error}") from error
        output.seek(0)
        said = output.read()
    if status != 0:
        raise Missing(f"{name} failed: {last_line(said)}")
    return said.decode(errors="replace")


def last_line(said: bytes) -> str:
    """The one that most likely says why a program failed."""
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing."
