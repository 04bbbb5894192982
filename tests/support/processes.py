"""Processes: one that only stands there, with what a test gives it, and whether one still runs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

CAT = Path("/bin/cat")


@contextmanager
def standing(environment: Mapping[str, str], program: Path = CAT) -> Iterator[subprocess.Popen[bytes]]:
    """One that runs until the end of the block; `program` is `cat`, under whatever name.

    It has answered before the block begins: what has only just been started shows nothing in `/proc` yet.
    """
    with subprocess.Popen(
        [program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(b"there?\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"there?\n"
            yield process
        finally:
            process.kill()


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waits for its parent to notice its end."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}
