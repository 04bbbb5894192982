"""Projects in files: unique, whole, and never two writers at once."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import Project, SealedKey
from sealock.core.sealed import Sealed
from sealock.store.projects import ProjectFiles

MakeProject = Callable[..., Project]


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_it_comes_back_as_it_was_kept(files: ProjectFiles, make_project: MakeProject) -> None:
    project = make_project()
    files.add(project)
    assert files.get("parser") == project
    assert files.all() == [project]
    assert files.for_address(project.address) == project


def test_an_empty_store_is_empty(files: ProjectFiles, make_project: MakeProject, tmp_path: Path) -> None:
    assert files.all() == []
    assert files.for_address(make_project().address) is None
    assert not (tmp_path / "projects").exists()


def test_files_are_ours_alone(files: ProjectFiles, make_project: MakeProject, tmp_path: Path) -> None:
    files.add(make_project())
    assert stat.S_IMODE((tmp_path / "projects").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "projects/parser.json").stat().st_mode) == 0o600
    assert _names(tmp_path / "projects") == [".lock", "parser.json"]


def test_they_come_by_name(files: ProjectFiles, make_project: MakeProject) -> None:
    for number, name in enumerate(("zebra", "apple", "mango")):
        files.add(make_project(name, number))
    assert [project.name for project in files.all()] == ["apple", "mango", "zebra"]


def test_a_name_is_taken_once(files: ProjectFiles, make_project: MakeProject) -> None:
    project = make_project()
    files.add(project)
    other = replace(make_project("printer", 2), name="parser")
    with pytest.raises(UsageError, match="there is a project parser already"):
        files.add(other)
    assert files.all() == [project]


def test_a_repository_is_taken_once(files: ProjectFiles, make_project: MakeProject) -> None:
    files.add(make_project())
    other = replace(make_project("printer", 2), address=make_project().address)
    with pytest.raises(UsageError, match="is built by the project parser already"):
        files.add(other)
    assert [project.name for project in files.all()] == ["parser"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../keys/kek", "a/b", "Parser", "a\n", ".lock", "-a", "a" * 64]
)
def test_a_name_cannot_lead_elsewhere(files: ProjectFiles, make_project: MakeProject, name: str) -> None:
    with pytest.raises(UsageError, match="there is no project"):
        files.get(name)
    with pytest.raises(UsageError, match="there is no project"):
        files.remove(name)
    with pytest.raises(PermanentError, match="cannot be kept"):
        files.add(replace(make_project(), name=name))
    assert files.all() == []


def test_near_names_are_suggested(files: ProjectFiles, make_project: MakeProject) -> None:
    files.add(make_project())
    with pytest.raises(UsageError) as caught:
        files.get("praser")
    assert caught.value.details == "Did you mean parser?"


def test_a_removed_one_is_gone(files: ProjectFiles, make_project: MakeProject, tmp_path: Path) -> None:
    files.add(make_project())
    files.remove("parser")
    assert files.all() == []
    assert _names(tmp_path / "projects") == [".lock"]
    with pytest.raises(UsageError, match="there is no project"):
        files.remove("parser")


def test_the_next_key_takes_the_place_of_the_old(
    files: ProjectFiles, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project()
    files.add(project)
    changed = replace(project, sealed_key=make_project(version=2).sealed_key)
    files.replace(changed)
    assert files.get("parser") == changed
    assert b'"version": 1' not in (tmp_path / "projects/parser.json").read_bytes()


@pytest.mark.parametrize("version", [1, 3])
def test_a_key_that_is_not_the_next_is_refused(
    files: ProjectFiles, make_project: MakeProject, version: int
) -> None:
    """Neither does an old key come back, nor do two resets at once undo each other."""
    project = make_project()
    files.add(project)
    changed = replace(project, sealed_key=_other(make_project(version=version).sealed_key))
    with pytest.raises(UsageError, match="changed by somebody else"):
        files.replace(changed)
    assert files.get("parser") == project


def test_another_project_of_the_same_name_is_not_replaced(
    files: ProjectFiles, make_project: MakeProject
) -> None:
    files.add(make_project(number=1))
    with pytest.raises(UsageError, match="changed by somebody else"):
        files.replace(make_project(number=2))
    with pytest.raises(UsageError, match="there is no project"):
        files.replace(make_project("printer", 3))


def test_a_record_under_another_name_is_refused(
    files: ProjectFiles, make_project: MakeProject, tmp_path: Path
) -> None:
    files.add(make_project())
    (tmp_path / "projects/parser.json").rename(tmp_path / "projects/printer.json")
    with pytest.raises(PermanentError, match=r"printer\.json is of another project"):
        files.get("printer")


def test_many_writers_at_once(files: ProjectFiles, make_project: MakeProject) -> None:
    """Sixteen want the same repository, each under its own name: one gets it."""
    address = make_project().address
    won: list[str] = []

    def add(number: int) -> None:
        try:
            files.add(replace(make_project(f"project-{number}", number), address=address))
            won.append(f"project-{number}")
        except UsageError:
            pass

    threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [project.name for project in files.all()] == won
    assert len(won) == 1


def test_a_full_disk_keeps_the_old_record(
    files: ProjectFiles, make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project()
    files.add(project)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PermanentError, match="cannot be kept"):
        files.replace(replace(project, sealed_key=make_project(version=2).sealed_key))
    assert files.get("parser") == project
    assert _names(tmp_path / "projects") == [".lock", "parser.json"]


def _other(sealed: Sealed | SealedKey) -> Sealed | SealedKey:
    """The same version of a key, but not the same key."""
    if isinstance(sealed, Sealed):
        return replace(sealed, data=b"other")
    return replace(sealed, ciphertext="bmV3")
