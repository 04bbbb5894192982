"""Keys are sealed from their first moment, each unlike any other (P1, P2)."""

from __future__ import annotations

import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from sealock.core.project import Project
from sealock.core.sealed import Sealed
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer
from tests.support.keys import Installation, files
from tests.support.openers import KeyOpener

MakeProject = Callable[..., Project]


def opener_of(ours: Installation) -> KeyOpener:
    return KeyOpener(ours.sets, lambda: FileKek(ours.directory / "none"))


def _kept(project: Project) -> bytes:
    """Everything that is kept of a project, as it is kept and with its Base64 undone."""
    assert isinstance(project.sealed_key, Sealed)
    return repr(asdict(project)).encode() + b64encode(project.sealed_key.data) + project.sealed_key.data


def _needles(private: bytes) -> list[bytes]:
    """What would betray the key: its text, each line of it, and the 32 bytes it is all about."""
    key = load_ssh_private_key(private, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    seed = key.private_bytes_raw()
    lines = [line for line in private.splitlines() if len(line) > 20]
    return [private, *lines, seed, seed.hex().encode(), b64decode(b"".join(lines[1:-1]))[-64:]]


def test_confidential(ours: Installation, make_project: MakeProject) -> None:
    project = make_project()
    private = opener_of(ours).open_key(project).reveal()
    for needle in _needles(private):
        assert needle not in _kept(project)


def test_what_is_opened_is_the_private_half_of_what_is_shown(
    ours: Installation, make_project: MakeProject
) -> None:
    project = make_project()
    private = load_ssh_private_key(opener_of(ours).open_key(project).reveal(), password=None)
    assert private.public_key() == load_ssh_public_key(project.public_key.encode())


def test_the_public_half_is_one_openssh_line_that_names_the_project(make_project: MakeProject) -> None:
    algorithm, _, comment = make_project(name="parser").public_key.split(" ")
    assert (algorithm, comment) == ("ssh-ed25519", "sealock:parser")


def test_unique(make_project: MakeProject) -> None:
    projects = [make_project() for _ in range(20)]
    assert len({project.public_key for project in projects}) == 20
    assert (
        len({project.sealed_key.data for project in projects if isinstance(project.sealed_key, Sealed)}) == 20
    )


def test_nothing_of_it_is_printed_or_logged(
    ours: Installation,
    make_project: MakeProject,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    project = make_project()
    opened = opener_of(ours).open_key(project)
    print(opened, repr(opened), f"{opened}", vars(opener_of(ours)), project)
    shown = "".join(capfd.readouterr()) + caplog.text
    for needle in _needles(opened.reveal()):
        assert repr(needle)[2:-1] not in shown


def test_nothing_of_it_is_written_to_a_file(
    ours: Installation, tmp_path: Path, make_project: MakeProject
) -> None:
    private = opener_of(ours).open_key(make_project()).reveal()
    kept = list(files(tmp_path))
    assert {path.suffix for path, _ in kept} == {"", ".json"}
    assert not any(needle in content for _, content in kept for needle in _needles(private))


def test_an_opened_key_can_be_forgotten(ours: Installation, make_project: MakeProject) -> None:
    opened = opener_of(ours).open_key(make_project())
    opened.forget()
    with pytest.raises(ValueError, match="forgotten"):
        opened.reveal()


def test_every_plaintext_is_forgotten_when_the_call_ends(
    ours: Installation, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Secret] = []

    def remember(self: Secret, value: bytes | bytearray) -> None:
        original(self, value)
        made.append(self)

    original = Secret.__init__
    monkeypatch.setattr(Secret, "__init__", remember)
    project = make_project()
    opened = opener_of(ours).open_key(project)
    alive = [secret for secret in made if secret._buffer]
    assert len(made) > 6
    assert len(alive) == 1
    assert alive[0] is opened


def test_a_sealer_has_no_way_to_open(ours: Installation) -> None:
    assert [name for name in dir(KeySealer(ours.sets)) if not name.startswith("_")] == ["new_key"]
