"""Where the file of the server's database is, if no setting says so, and how it gets to a place of its own.

SQLite makes files beside it, so who opens it must be able to write in its directory. Where the website is a
user of its own, that cannot be the data directory, in which the keeper's and the worker's things lie too.
Then there is a directory for it alone; from then on that is the place, whoever starts the website.
"""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path

from sealock.core.files import flush_directory, make_private_directory
from sealock.store.database.sqlite import only_server

NAME = "server.db"
OWN = "website"
SUFFIXES = ("", "-wal", "-shm")


def database_file(data: Path) -> Path:
    """The file. data: the data directory."""
    own = data / OWN
    return (own if own.exists() else data) / NAME


def settle_database(data: Path) -> Path:
    """As root, before the website's user opens it: have it in a directory that can be handed over, which is
    returned. At each moment one of the two places has all of it. UsageError if a server uses it."""
    own, old = data / OWN, data / NAME
    if not own.exists():
        make_private_directory(data)
        with only_server(old) if old.exists() else nullcontext():
            _link_all(old, data / f".{OWN}.new").rename(own)
            flush_directory(data)
    for name in (*(f"{NAME}{suffix}" for suffix in SUFFIXES), f"{NAME}.server"):
        _unlink_old(data / name, own / name)
    return own


def _link_all(old: Path, beside: Path) -> Path:
    """A new directory with the same files: a rename of one after the other could be cut short."""
    if beside.exists():
        shutil.rmtree(beside)
    make_private_directory(beside)
    for found in (old.with_name(f"{NAME}{suffix}") for suffix in (*SUFFIXES, ".server")):
        if found.exists():
            os.link(found, beside / found.name)
    flush_directory(beside)
    return beside


def _unlink_old(old: Path, new: Path) -> None:
    if old.exists() and new.exists() and old.samefile(new):
        old.unlink()
