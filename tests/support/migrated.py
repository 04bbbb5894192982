"""A SQLite database with all its tables, made once in a process and copied from then on."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from functools import cache
from pathlib import Path

from sealock.store.database.engine import open_database
from sealock.store.database.migrations import upgrade


def copy_tables(path: Path) -> None:
    """Put such a database at `path`, where nothing is yet."""
    path.touch(mode=0o600)
    path.write_bytes(_tables())


@cache
def _tables() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "tables.db"

        async def make() -> None:
            async with open_database(f"sqlite:///{path}") as database:
                await upgrade(database)

        # Whoever asks may have a loop running, and there is one to a thread.
        making = threading.Thread(target=lambda: asyncio.run(make()))
        making.start()
        making.join()
        return path.read_bytes()
