"""`sealock keys`: look at the keys everything is sealed under, rotate them, back them up, restore them."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click

from sealock.cli.tools import Tools
from sealock.core.decision import Denied
from sealock.core.errors import ExitCode, UsageError
from sealock.core.files import read_secret_file
from sealock.core.keyring import KeyringStatus, Level, Progress, Rotated
from sealock.core.secret import Secret

AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="Take the passphrase from this file, which nobody else may read, instead of asking for it.",
)
LONGEST_PASSPHRASE = 4096
TELL_EVERY = 2.0
"""Seconds between two lines of how far a rotation is."""


@click.group()
def keys() -> None:
    """The keys everything is sealed under: status, rotation, backup."""


@keys.command()
@AS_JSON
@click.pass_obj
def status(tools: Tools, as_json: bool) -> int:
    """Which keys there are, and whether what they wrap comes out again. Exit code 3 if it does not."""
    found = tools.keyring().status()
    if as_json:
        click.echo(json.dumps(_shown(found), indent=2))
    else:
        _tell(found)
    return ExitCode.GREEN if found.works else ExitCode.INFRASTRUCTURE


@keys.command()
@click.option(
    "--level",
    type=click.Choice(get_args(Level)),
    help="root: only the back end's key. sets: only the owners' key sets. Without it, one after the other.",
)
@click.pass_obj
def rotate(tools: Tools, level: Level | None) -> None:
    """Give everything new keys, and destroy the old ones when nothing needs them any more.

    What is sealed stays readable all the time. If this is cut short, by whatever, run it again: it goes on
    where it was.
    """
    keyring, told = tools.keyring(), _Teller()
    for wanted in (level,) if level else get_args(Level):
        done = keyring.rotate(wanted, told)
        _tell_rotated(done)
        if done.level != wanted:  # that was another one, cut short before
            _tell_rotated(keyring.rotate(wanted, told))


@keys.command()
@click.argument("file", type=click.Path(path_type=Path))
@PASSPHRASE_FILE
@click.pass_obj
def export(tools: Tools, file: Path, passphrase_file: Path | None) -> None:
    """Write a backup of all keys to the new file FILE, encrypted under a passphrase of its own.

    Who has both can open everything sealed so far. `sealock keys rotate` makes older backups useless for
    what is sealed after it.
    """
    with _passphrase("Passphrase for the backup", passphrase_file, twice=True) as passphrase:
        _write_new(file, tools.keyring().export(passphrase))
    click.echo(f"The backup is in {file}. Keep it and its passphrase in two places, neither of them here.")


@keys.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@PASSPHRASE_FILE
@click.pass_obj
def restore(tools: Tools, file: Path, passphrase_file: Path | None) -> None:
    """Bring back from the backup FILE the keys that are missing, under the back end in use now.

    What was destroyed here stays destroyed. Nothing is done if a key is there already and is another one.
    """
    with _passphrase("Passphrase of the backup", passphrase_file) as passphrase:
        owners = tools.keyring().restore(_read(file), passphrase)
    click.echo(f"The key sets of {owners} owners were brought back.")


@keys.command()
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path),
    help="Take the new passphrase from this file, which nobody else may read, instead of asking for it.",
)
@click.pass_obj
def passphrase(tools: Tools, new_passphrase_file: Path | None) -> None:
    """Put the key-encryption keys under another passphrase, where key_backend is passphrase.

    If the old passphrase became known, run `sealock keys rotate` too: with an old copy of the file it opens
    the keys that were in it.
    """
    keyring = tools.keyring()
    with _passphrase("New passphrase", new_passphrase_file, twice=True) as new:
        keyring.change_passphrase(new)
    click.echo("The keys are under the new passphrase.")


def _passphrase(prompt: str, file: Path | None, *, twice: bool = False) -> Secret:
    """From a file or the person at the terminal; never from an argument, which others can see."""
    if file is None:
        typed: str = click.prompt(prompt, hide_input=True, confirmation_prompt=twice)
        return Secret(typed.encode())
    try:
        return Secret(read_secret_file(file, longest=LONGEST_PASSPHRASE).split(b"\n")[0].rstrip(b"\r"))
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {file}") from error


def _write_new(path: Path, data: bytes) -> None:
    """Nothing is overwritten: it could be the only other backup."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", resolution="Name a file that is not there.") from error
    except OSError as error:
        raise UsageError(f"the backup cannot be written to {path}", details=str(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"the backup {path} cannot be read", details=str(error)) from error


class _Teller:
    """Says on standard error how far a rotation is, for whoever waits: a line now and then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + TELL_EVERY

    def __call__(self, progress: Progress) -> None:
        if self._clock() >= self._next:
            self._next = self._clock() + TELL_EVERY
            what = "wrapped anew" if progress.level == "root" else "sealed to new keys"
            click.echo(f"{progress.done} of {progress.of} owners are {what}", err=True)


def _tell_rotated(done: Rotated) -> None:
    begun = "The rotation that was cut short is done: " if done.resumed else ""
    if done.level == "root":
        click.echo(f"{begun}{done.owners} key sets are wrapped by a new key. {done.old_key}")
    else:
        click.echo(f"{begun}{done.owners} owners have new key sets, {done.values} values are sealed to them.")
    if done.kept:
        click.echo(
            f"{done.kept} owners have no values here, so their keys are as they were: "
            "rotate on the hosts that have them, too."
        )


def _tell(found: KeyringStatus) -> None:
    works = f"does not work: {found.works.reason}" if isinstance(found.works, Denied) else "works"
    click.echo(f"{'back end':<12}{found.backend}, {works}")
    if found.advice:
        click.echo(f"{'what to do':<12}{found.advice}")
    click.echo(f"{'key':<12}{found.key or 'cannot be told'}")
    click.echo(f"{'rotated':<12}{_day(found.root_rotated_at)}")
    click.echo(f"{'key sets':<12}{found.owners}, and {found.destroyed} destroyed")
    click.echo(f"{'rotated':<12}{_day(found.sets_rotated_at)}")
    for note in found.notes:
        click.echo(f"{'note':<12}{note}")
    if found.old_projects:
        click.echo(f"{'old':<12}`sealock keys rotate` seals anew: {', '.join(found.old_projects)}")
    if found.unfinished:
        click.echo(
            f"{'unfinished':<12}a rotation of {found.unfinished}: `sealock keys rotate` goes on with it"
        )


def _shown(found: KeyringStatus) -> dict[str, object]:
    shown = dataclasses.asdict(found)
    shown["works"] = bool(found.works)
    shown["why"] = found.works.reason if isinstance(found.works, Denied) else ""
    for name in ("root_rotated_at", "sets_rotated_at"):
        shown[name] = None if shown[name] is None else _day(shown[name])
    return shown


def _day(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
