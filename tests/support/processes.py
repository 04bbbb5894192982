"""A process that only stands there, with the environment and name a test gives it."""

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
