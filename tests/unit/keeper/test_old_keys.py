"""Keys sealed before there were key sets open still; altered, moved or downgraded ones do not (P2).

One test an attack: who can write the store but does not have the key-encryption key gets nothing opened.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.errors import PermanentError
from sealock.core.project import Project, SealedKey
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from tests.support.keys import Installation
from tests.support.old_keys import new_old_key
from tests.support.openers import KeyOpener

MakeProject = Callable[..., Project]
FIELDS = ("ciphertext", "nonce", "wrapped_key", "wrapped_key_nonce")
ALTERED = "does not open"


def _open(kek: FileKek, project: Project) -> Secret:
    """With key sets that hold nothing."""
    return KeyOpener(Installation(kek.path.parent / "none").sets, lambda: kek).open_key(project)


def _with(project: Project, **changes: object) -> Project:
    return replace(project, sealed_key=replace(project.sealed_key, **changes))  # type: ignore[arg-type]


def _refusal(kek: FileKek, project: Project) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        _open(kek, project)
    return caught.value


@pytest.mark.parametrize("field", FIELDS)
def test_integrity_every_byte(kek: FileKek, make_old_project: MakeProject, field: str) -> None:
    project = make_old_project()
    value = b64decode(getattr(project.sealed_key, field))
    for position in range(len(value)):
        flipped = bytearray(value)
        flipped[position] ^= 1 << (position % 8)
        assert ALTERED in _refusal(kek, _with(project, **{field: b64encode(flipped).decode()})).brief


@pytest.mark.parametrize("field", FIELDS)
def test_invalid_lengths(kek: FileKek, make_old_project: MakeProject, field: str) -> None:
    project = make_old_project()
    value = b64decode(getattr(project.sealed_key, field))
    for altered in (b"", value[:-1], value[1:], value + b"\0", value * 2, value[:8], bytes(100_000)):
        assert ALTERED in _refusal(kek, _with(project, **{field: b64encode(altered).decode()})).brief


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("spelling", ["{} ", " {}", "{}\n", "{}=", "!{}", "é{}", "={}"])
def test_one_spelling_only(kek: FileKek, make_old_project: MakeProject, field: str, spelling: str) -> None:
    project = make_old_project()
    altered = spelling.format(getattr(project.sealed_key, field))
    assert ALTERED in _refusal(kek, _with(project, **{field: altered})).brief


def test_moved_to_another_project(kek: FileKek, make_old_project: MakeProject) -> None:
    mine, other = make_old_project(project_id="1" * 32), make_old_project(project_id="2" * 32)
    moved = replace(other, sealed_key=mine.sealed_key, public_key=mine.public_key)
    assert ALTERED in _refusal(kek, moved).brief


def test_moved_to_another_name(kek: FileKek, make_old_project: MakeProject) -> None:
    assert ALTERED in _refusal(kek, replace(make_old_project(), name="printer")).brief


def test_moved_to_another_version(kek: FileKek, make_old_project: MakeProject) -> None:
    old, new = make_old_project(version=1), make_old_project(version=2)
    assert ALTERED in _refusal(kek, _with(old, version=2)).brief
    assert ALTERED in _refusal(kek, _with(new, version=1)).brief


def test_parts_of_two_keys_of_one_project_do_not_mix(kek: FileKek, make_old_project: MakeProject) -> None:
    one, two = make_old_project(), make_old_project()
    sealed = two.sealed_key
    assert isinstance(sealed, SealedKey)
    wrapped = {"wrapped_key": sealed.wrapped_key, "wrapped_key_nonce": sealed.wrapped_key_nonce}
    assert ALTERED in _refusal(kek, _with(one, **wrapped)).brief
    text = {"ciphertext": sealed.ciphertext, "nonce": sealed.nonce}
    assert ALTERED in _refusal(kek, _with(one, **text)).brief


def test_the_wrapped_key_and_the_ciphertext_do_not_change_places(
    kek: FileKek, make_old_project: MakeProject
) -> None:
    project = make_old_project()
    sealed = project.sealed_key
    assert isinstance(sealed, SealedKey)
    swapped = _with(
        project,
        ciphertext=sealed.wrapped_key,
        nonce=sealed.wrapped_key_nonce,
        wrapped_key=sealed.ciphertext,
        wrapped_key_nonce=sealed.nonce,
    )
    assert ALTERED in _refusal(kek, swapped).brief


@pytest.mark.parametrize("algorithm", ["", "none", "plaintext", "openssh-ed25519+aes-256-gcm", "AES-128-GCM"])
def test_downgraded_algorithm(kek: FileKek, make_old_project: MakeProject, algorithm: str) -> None:
    error = _refusal(kek, _with(make_old_project(), algorithm=algorithm))
    assert "sealed in a way this version does not open" in error.brief


def test_no_plaintext_passes_for_a_sealed_key(kek: FileKek, make_old_project: MakeProject) -> None:
    project = make_old_project()
    private = _open(kek, project).reveal()
    for plain in (private.decode(), b64encode(private).decode()):
        assert ALTERED in _refusal(kek, _with(project, ciphertext=plain)).brief
        assert ALTERED in _refusal(kek, _with(project, ciphertext=plain, nonce="", wrapped_key="")).brief


def test_wrong_key_encryption_key_is_named(
    kek: FileKek, make_old_project: MakeProject, tmp_path: Path
) -> None:
    other = FileKek.load_or_create(tmp_path / "other" / "kek")
    error = _refusal(other, make_old_project())
    assert "sealed under another key-encryption key" in error.brief
    assert kek.id in error.details
    assert other.id in error.details


def test_claiming_our_key_encryption_key_does_not_help(make_old_project: MakeProject, tmp_path: Path) -> None:
    other = FileKek.load_or_create(tmp_path / "other" / "kek")
    assert ALTERED in _refusal(other, _with(make_old_project(), kek_id=other.id)).brief


def test_a_public_half_that_was_exchanged_is_noticed(kek: FileKek, make_old_project: MakeProject) -> None:
    project = make_old_project()
    theirs, _ = new_old_key(kek, "f" * 32, 1, project.name)
    assert ALTERED in _refusal(kek, replace(project, public_key=theirs)).brief


def test_what_the_ciphers_refuse_has_one_message(kek: FileKek, make_old_project: MakeProject) -> None:
    project = make_old_project()
    zeros = {
        field: b64encode(bytes(len(b64decode(getattr(project.sealed_key, field))))).decode()
        for field in FIELDS
    }
    refusals = [_refusal(kek, _with(project, **{field: zeros[field]})) for field in FIELDS]
    refusals.append(_refusal(kek, _with(project, version=7)))
    refusals.append(_refusal(kek, _with(project, nonce="")))
    assert len({str(error) for error in refusals}) == 1


def test_a_missing_key_encryption_key_opens_nothing(kek: FileKek, make_old_project: MakeProject) -> None:
    project = make_old_project()
    kek.path.unlink()
    assert "is missing" in _refusal(kek, project).brief


def test_a_key_encryption_key_others_can_read_opens_nothing(
    kek: FileKek, make_old_project: MakeProject
) -> None:
    project = make_old_project()
    kek.path.chmod(0o444)
    assert "not safe to use" in _refusal(kek, project).brief


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_is_put_into_the_record(
    kek: FileKek, make_old_project: MakeProject, data: st.DataObject
) -> None:
    project = make_old_project()
    changes = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                **{
                    field: st.text(max_size=600) | st.binary().map(lambda b: b64encode(b).decode())
                    for field in FIELDS
                },
                "version": st.integers(),
                "algorithm": st.text(max_size=40),
                "kek_id": st.text(max_size=20),
            },
        )
    )
    altered = _with(project, **changes)
    if altered == project:
        _open(kek, altered).forget()
    else:
        _refusal(kek, altered)
