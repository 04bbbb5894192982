"""`sealock keys`, with the real keeper and store behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sealock.cli import keys
from sealock.core.secret import Secret
from sealock.keeper import asked_backup, asked_keyring
from sealock.keeper.asked_keyring import AskedKeyring
from sealock.keeper.backends.passphrase import PassphraseBackend
from sealock.keeper.backends.port import Backend
from sealock.keeper.stretch import Cost
from tests.support.keys import PARSER, PRINTER, Installation

Sealock = Callable[..., tuple[int, str, str]]
PASSPHRASE = "a passphrase for backups"


class KeysTools:
    """What these commands ask of their tools."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.backend: Backend | None = None

    @property
    def ours(self) -> Installation:
        return Installation(self.directory, self.backend)

    def keyring(self) -> AskedKeyring:
        return self.ours.keyring


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeysTools:
    """Backups as always, but for the price of a guess."""
    monkeypatch.setattr(asked_keyring, "export", partial(asked_backup.export, cost=Cost(1, 64, 1)))
    return KeysTools(tmp_path / "data")


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    return secret_file(tmp_path / "passphrase", PASSPHRASE + "\n")


def secret_file(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o400)
    return path


def test_status(sealock: Sealock, tools: KeysTools) -> None:
    for owner in (PARSER, PRINTER):
        tools.ours.put(owner, "TOKEN", b"value")
    tools.ours.sets.destroy(PRINTER)
    code, out, err = sealock("keys", "status")
    assert (code, err) == (0, "")
    for part in ("file, works", tools.ours.backend.current(), "1, and 1 destroyed", "never"):
        assert part in out
    shown = json.loads(sealock("keys", "status", "--json")[1])
    assert (shown["backend"], shown["works"], shown["owners"], shown["destroyed"]) == ("file", True, 1, 1)


def test_status_of_a_key_that_is_not_safe_to_use(sealock: Sealock, tools: KeysTools) -> None:
    tools.ours.put(PARSER, "TOKEN", b"value")
    (tools.directory / "keys" / "key-encryption-key").chmod(0o444)
    code, out, _ = sealock("keys", "status")
    assert code == 3
    assert "does not work: " in out
    assert "not safe to use" in out
    assert "what to do" in out
    code, out, _ = sealock("keys", "status", "--json")
    assert (code, json.loads(out)["works"]) == (3, False)


def test_status_of_another_key_in_the_place_of_the_right_one(sealock: Sealock, tools: KeysTools) -> None:
    tools.ours.put(PARSER, "TOKEN", b"value")
    right = tools.ours.backend.current()
    (tools.directory / "keys" / "key-encryption-key").unlink()
    code, out, _ = sealock("keys", "status")
    assert code == 3
    assert f"does not work: a key set is wrapped by a key-encryption key that is not there: {right}" in (
        out.replace("It is wrapped by ", "").replace("'", "")
    )
    assert "`sealock keys restore`" in out
    assert json.loads(sealock("keys", "status", "--json")[1])["works"] is False


def test_rotate_both_levels(sealock: Sealock, tools: KeysTools) -> None:
    name = tools.ours.put(PARSER, "TOKEN", b"value")
    before = tools.ours.backend.current()
    code, out, _ = sealock("keys", "rotate")
    assert code == 0
    assert "1 key sets are wrapped by a new key" in out
    assert "1 values are sealed to them" in out
    assert tools.ours.backend.current() != before
    assert tools.ours.sets.public_key(PARSER).version == 2
    assert tools.ours.get(name) == b"value"
    assert "never" not in sealock("keys", "status")[1]


def test_rotate_tells_how_far_it_is(
    sealock: Sealock, tools: KeysTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "TELL_EVERY", 0.0)
    for owner in (PARSER, PRINTER):
        tools.ours.put(owner, "TOKEN", b"value")
    _, out, err = sealock("keys", "rotate")
    assert err.splitlines() == [
        "2 of 2 owners are wrapped anew",
        "1 of 2 owners are sealed to new keys",
        "2 of 2 owners are sealed to new keys",
    ]
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize(("level", "versions"), [("root", 1), ("sets", 2)])
def test_rotate_one_level(sealock: Sealock, tools: KeysTools, level: str, versions: int) -> None:
    tools.ours.put(PARSER, "TOKEN", b"value")
    before = tools.ours.backend.current()
    assert sealock("keys", "rotate", "--level", level)[0] == 0
    assert (tools.ours.backend.current() != before) == (level == "root")
    assert tools.ours.sets.public_key(PARSER).version == versions


def test_a_rotation_that_was_cut_short_is_finished_first(sealock: Sealock, tools: KeysTools) -> None:
    tools.ours.put(PARSER, "TOKEN", b"value")
    tools.ours.journal.begin("sets", tools.ours.backend.current())
    assert "a rotation of sets" in sealock("keys", "status")[1]
    _, out, _ = sealock("keys", "rotate", "--level", "root")
    assert [line.startswith("The rotation that was cut short is done") for line in out.splitlines()] == [
        True,
        False,
    ]
    assert tools.ours.sets.public_key(PARSER).version == 2


def test_export_and_restore(
    sealock: Sealock, tools: KeysTools, tmp_path: Path, passphrase_file: Path
) -> None:
    name = tools.ours.put(PARSER, "TOKEN", b"value")
    place = tmp_path / "backup"
    given = "--passphrase-file", str(passphrase_file)
    assert sealock("keys", "export", str(place), *given)[0] == 0
    assert place.stat().st_mode & 0o777 == 0o600
    for path in (tools.directory / "keys" / "sets").iterdir():
        path.unlink()
    assert "of 1 owners" in sealock("keys", "restore", str(place), *given)[1]
    assert tools.ours.get(name) == b"value"
    code, _, err = sealock("keys", "export", str(place), *given)
    assert (code, "is there already" in err) == (2, True)


def test_a_wrong_passphrase_and_a_file_that_others_can_read(
    sealock: Sealock, tools: KeysTools, tmp_path: Path, passphrase_file: Path
) -> None:
    tools.ours.put(PARSER, "TOKEN", b"value")
    place = tmp_path / "backup"
    sealock("keys", "export", str(place), "--passphrase-file", str(passphrase_file))
    other = secret_file(tmp_path / "other", "another passphrase")
    code, _, err = sealock("keys", "restore", str(place), "--passphrase-file", str(other))
    assert (code, "the backup does not open" in err) == (2, True)
    other.chmod(0o444)
    code, _, err = sealock("keys", "restore", str(place), "--passphrase-file", str(other))
    assert (code, "not safe to use" in err) == (3, True)
    missing = "--passphrase-file", str(tmp_path / "none")
    assert sealock("keys", "export", str(tmp_path / "new"), *missing)[0] == 2
    assert not (tmp_path / "new").exists()


def test_without_a_person_or_a_file_nothing_is_exported(
    sealock: Sealock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        assert sealock("keys", "export", str(tmp_path / "backup"))[0] != 0
    assert not (tmp_path / "backup").exists()


def test_another_passphrase(sealock: Sealock, tools: KeysTools, tmp_path: Path) -> None:
    place, cheap = tools.directory / "keys" / "passphrase-keys", Cost(1, 64, 1)
    tools.backend = PassphraseBackend(place, lambda: Secret(b"the first passphrase"), cheap)
    name = tools.ours.put(PARSER, "TOKEN", b"value")
    new = secret_file(tmp_path / "new", "the second passphrase")
    assert sealock("keys", "passphrase", "--new-passphrase-file", str(new))[0] == 0
    tools.backend = PassphraseBackend(place, lambda: Secret(b"the second passphrase"), cheap)
    assert tools.ours.get(name) == b"value"
    tools.backend = None
    code, _, err = sealock("keys", "passphrase", "--new-passphrase-file", str(new))
    assert (code, "has no passphrase" in err) == (2, True)
