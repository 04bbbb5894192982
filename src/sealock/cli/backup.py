"""`sealock backup` and `sealock restore`: what the server keeps, in one file, without any key."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from sealock.cli.progress import watching
from sealock.cli.tools import Tools
from sealock.core.backup import Kept, Told

TELL_EVERY = 2.0
"""Seconds between two lines of how far it is."""

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command()
@FILE
@click.pass_obj
def backup(tools: Tools, file: Path) -> None:
    """Write the database, the logs, the receipts and all that is sealed to the new file FILE.

    Servers may run meanwhile. No key is in it, so it opens nothing: `sealock keys export` backs those up, and
    docs/database.md says what else to keep.
    """
    with watching("backing up") as line:
        kept = tools.backups().backup(file, now_and_then(line))
    click.echo(f"The backup is in {file}, {_size(kept.size)}: {_words(kept)}.")
    click.echo(
        "It holds no key. Keep a backup of the keys of the same day: `sealock keys export`. Copy keys and"
    )
    click.echo("authority of the data directory too: by what is there receipts, hooks and workers are known.")


@click.command()
@FILE
@click.pass_obj
def restore(tools: Tools, file: Path) -> None:
    """Bring back what the backup FILE holds, into an installation that has nothing yet: all or nothing.

    The database may be of the other kind. Nothing opens before the keys are back: `sealock keys restore`.
    """
    with watching("restoring") as line:
        kept = tools.backups().restore(file, now_and_then(line))
    click.echo(f"Restored: {_words(kept)}.")


def now_and_then(line: Told, clock: Callable[[], float] = time.monotonic) -> Told:
    """Passes a line on every `TELL_EVERY` seconds, the first after as long."""
    following = [clock() + TELL_EVERY]

    def told(text: str) -> None:
        if clock() >= following[0]:
            following[0] = clock() + TELL_EVERY
            line(text)

    return told


def _words(kept: Kept) -> str:
    rows = [] if kept.rows is None else [f"{sum(kept.rows.values())} rows of the database"]
    return ", ".join([*rows, *(f"{count} files of {part}" for part, count in kept.files.items())])


def _size(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB" if size >= 100_000 else f"{size / 1000:.0f} kB"
