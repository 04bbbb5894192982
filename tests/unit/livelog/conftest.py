"""Logs with a key, in a directory of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.log import LogSummary
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles

BUILD = "0123456789abcdef0123456789abcdef"
KEY = bytes(range(32))
KeepLog = Callable[..., LogSummary]


@pytest.fixture
def logs(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path / "logs")


@pytest.fixture
def keep_log(logs: LogFiles) -> KeepLog:
    """Keeps a log of these pieces of output, each in a chunk of its own."""

    def keep(*pieces: bytes, build: str = BUILD, key: bytes = KEY) -> LogSummary:
        writer = logs.create(build, Secret(key))
        for piece in pieces:
            writer.write(piece)
            writer.flush()
        return writer.close()

    return keep
