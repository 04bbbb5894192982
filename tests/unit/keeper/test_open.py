"""Project keys that were altered, moved or exchanged do not open (P2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sealock.core.errors import PermanentError
from sealock.core.project import Project, ssh_key_name
from sealock.core.sealed import Sealed
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer
from sealock.keeper.sealing import seal
from tests.support.keys import Installation
from tests.support.openers import KeyOpener

MakeProject = Callable[..., Project]
ALTERED = "does not open"


@pytest.fixture
def opener(ours: Installation) -> KeyOpener:
    def no_old_kek() -> FileKek:
        raise AssertionError("the old key-encryption key is for old keys only")

    return KeyOpener(ours.sets, no_old_kek)


def sealed_of(project: Project) -> Sealed:
    assert isinstance(project.sealed_key, Sealed)
    return project.sealed_key


def refused(opener: KeyOpener, project: Project) -> None:
    with pytest.raises(PermanentError, match=ALTERED):
        opener.open_key(project)


def test_what_was_sealed_opens(opener: KeyOpener, make_project: MakeProject) -> None:
    assert opener.open_key(make_project()).reveal().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")


def test_integrity_every_byte(opener: KeyOpener, make_project: MakeProject) -> None:
    project = make_project()
    data = sealed_of(project).data
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        refused(opener, replace(project, sealed_key=replace(sealed_of(project), data=bytes(flipped))))


def test_invalid_lengths(opener: KeyOpener, make_project: MakeProject) -> None:
    project = make_project()
    data = sealed_of(project).data
    for altered in (b"", data[:-1], data[1:], data + b"\0", data * 2, data[:48], bytes(100_000)):
        refused(opener, replace(project, sealed_key=replace(sealed_of(project), data=altered)))


def test_moved_with_its_name_or_without(opener: KeyOpener, make_project: MakeProject) -> None:
    mine = make_project(project_id="1" * 32)
    others = [
        make_project(project_id="2" * 32),
        make_project(project_id="1" * 32, name="printer"),
        make_project(project_id="1" * 32, version=2),
    ]
    for other in others:
        moved = replace(sealed_of(mine), name=sealed_of(other).name)
        for sealed in (sealed_of(mine), moved):
            if sealed.version == sealed_of(other).version or sealed is moved:
                refused(opener, replace(other, sealed_key=sealed, public_key=mine.public_key))


def test_another_kind_of_secret_is_no_key(
    opener: KeyOpener, ours: Installation, make_project: MakeProject
) -> None:
    """Sealed to the right owner, under the right name, by somebody who may only seal: it is no key."""
    project = make_project()
    name = ssh_key_name(project.id, project.name, 1)
    planted = seal(name, Secret(b"not a key"), ours.sets.public_key(name.owner))
    refused(opener, replace(project, sealed_key=planted))


def test_a_public_half_that_was_exchanged_is_noticed(
    opener: KeyOpener, ours: Installation, make_project: MakeProject
) -> None:
    project = make_project()
    theirs, _ = KeySealer(ours.sets).new_key("f" * 32, 1, project.name, project.origin)
    refused(opener, replace(project, public_key=theirs))


@pytest.mark.parametrize("suite", ["", "none", "plaintext"])
def test_downgraded_suite(opener: KeyOpener, make_project: MakeProject, suite: str) -> None:
    project = make_project()
    refused(opener, replace(project, sealed_key=replace(sealed_of(project), suite=suite)))


def test_a_destroyed_key_set_opens_nothing(
    opener: KeyOpener, ours: Installation, make_project: MakeProject
) -> None:
    project = make_project()
    ours.sets.destroy(sealed_of(project).name.owner)
    with pytest.raises(PermanentError, match="were destroyed"):
        opener.open_key(project)
