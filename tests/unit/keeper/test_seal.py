"""Keys are sealed from their first moment, each unlike any other (P1, P2)."""

from __future__ import annotations

import json
import logging
import os
from base64 import b64decode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from sealock.core.project import Project
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from sealock.keeper.open import KeyOpener
from sealock.keeper.seal import KeySealer

MakeProject = Callable[..., Project]


def _kept(project: Project) -> bytes:
    """Everything that is kept of a project, as it is kept and with its Base64 undone."""
    sealed = project.sealed_key
    texts = (sealed.wrapped_key, sealed.ciphertext, sealed.nonce, sealed.wrapped_key_nonce)
    return json.dumps(asdict(project)).encode() + b"".join(b64decode(text) for text in texts)


def _needles(private: bytes) -> list[bytes]:
    """What would betray the key: its text, each line of it, and the 32 bytes it is all about."""
    key = load_ssh_private_key(private, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    seed = key.private_bytes_raw()
    lines = [line for line in private.splitlines() if len(line) > 20]
    return [private, *lines, seed, seed.hex().encode(), b64decode(b"".join(lines[1:-1]))[-64:]]


def test_confidential(kek: FileKek, make_project: MakeProject) -> None:
    project = make_project()
    private = KeyOpener(kek).open_key(project).reveal()
    for needle in _needles(private):
        assert needle not in _kept(project)


def test_what_is_opened_is_the_private_half_of_what_is_shown(kek: FileKek, make_project: MakeProject) -> None:
    project = make_project()
    private = load_ssh_private_key(KeyOpener(kek).open_key(project).reveal(), password=None)
    assert private.public_key() == load_ssh_public_key(project.public_key.encode())


def test_the_public_half_is_one_openssh_line_that_names_the_project(make_project: MakeProject) -> None:
    algorithm, _, comment = make_project(name="parser").public_key.split(" ")
    assert (algorithm, comment) == ("ssh-ed25519", "sealock:parser")


def test_unique(make_project: MakeProject) -> None:
    projects = [make_project() for _ in range(20)]
    assert len({project.public_key for project in projects}) == 20
    for field in ("ciphertext", "nonce", "wrapped_key", "wrapped_key_nonce"):
        assert len({getattr(project.sealed_key, field) for project in projects}) == 20


def test_nothing_of_it_is_printed_or_logged(
    kek: FileKek,
    make_project: MakeProject,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    project = make_project()
    opened = KeyOpener(kek).open_key(project)
    print(opened, repr(opened), f"{opened}", vars(KeyOpener(kek)), project)
    shown = "".join(capfd.readouterr()) + caplog.text
    for needle in _needles(opened.reveal()):
        assert repr(needle)[2:-1] not in shown


def test_nothing_of_it_is_written_to_a_file(kek: FileKek, tmp_path: Path, make_project: MakeProject) -> None:
    private = KeyOpener(kek).open_key(make_project()).reveal()
    files = [Path(root, name) for root, _, names in os.walk(tmp_path) for name in names]
    assert files == [kek.path]
    assert not any(needle in kek.path.read_bytes() for needle in _needles(private))


def test_an_opened_key_can_be_forgotten(kek: FileKek, make_project: MakeProject) -> None:
    opened = KeyOpener(kek).open_key(make_project())
    opened.forget()
    with pytest.raises(ValueError, match="forgotten"):
        opened.reveal()


def test_every_plaintext_is_forgotten_when_the_call_ends(
    kek: FileKek, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Secret] = []

    def remember(self: Secret, value: bytes | bytearray) -> None:
        original(self, value)
        made.append(self)

    original = Secret.__init__
    monkeypatch.setattr(Secret, "__init__", remember)
    project = make_project()
    opened = KeyOpener(kek).open_key(project)
    alive = [secret for secret in made if secret._buffer]
    assert len(made) > 6
    assert len(alive) == 1
    assert alive[0] is opened


def test_a_sealer_has_no_way_to_open(kek: FileKek) -> None:
    assert [name for name in dir(KeySealer(kek)) if not name.startswith("_")] == ["new_key"]
