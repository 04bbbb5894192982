"""What goes into a root beside packages, and how packages are named and told about."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, TemporaryError
from sealock.machines.image import apt, command, root
from sealock.machines.image.additions import Additions
from sealock.machines.image.apt import Apt, Package
from sealock.machines.image.recipe import Recipe, RecipeFile

RECIPE = Recipe(
    "mine",
    user="worker",
    files=(RecipeFile("/etc/motd", b"hello", 0o600), RecipeFile("/etc/pip.conf", b"theirs", 0o600)),
)
INPUTS = root.RootInputs(
    RECIPE, Additions(pip_conf="ours"), (), {"exec": b"#!/bin/sh\n"}, Path("/nonexistent")
)


def test_files_of_recipe_operator_and_guest_go_in() -> None:
    files = root.files(INPUTS)
    assert files["/etc/motd"] == (b"hello", 0o600)
    assert files["/usr/lib/sealock/exec"] == (b"#!/bin/sh\n", 0o755)
    assert files["/etc/sudoers.d/sealock"] == (b"worker ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)


def test_the_operators_configuration_is_stronger_than_the_recipes() -> None:
    assert root.files(INPUTS)["/etc/pip.conf"] == (b"ours", 0o644)


def test_their_archive_is_the_same_every_time_and_roots() -> None:
    archive = root.archive(root.files(INPUTS))
    assert archive == root.archive(dict(reversed(root.files(INPUTS).items())))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert all(member.uid == member.gid == 0 and not member.name.startswith("/") for member in tar)


def test_progress_is_told_in_steps_of_five_percent() -> None:
    lines: list[str] = []
    watch = root.Watch(lines.append, packages=100)
    for _ in range(100):
        watch("Unpacking git (1:2.39) ...")
        watch("Setting up git (1:2.39) ...")
        watch("something else")
    watch("sealock: installed git 1:2.39")
    watch("sealock: command 0001")
    assert lines[0] == "installing packages, 5 %"
    assert lines[-2:] == ["installing packages, 100 %", "running command 0001 of the recipe"]
    assert len(lines) == 21
    assert watch.installed == {("git", "1:2.39")}


def test_a_failed_program_tells_its_last_lines() -> None:
    with pytest.raises(PermanentError, match="listing failed") as caught:
        command.run(["sh", "-c", "echo one; echo two >&2; exit 3"], "listing")
    assert caught.value.details == "sh ended with 3\none\ntwo"
    with pytest.raises(PermanentError, match="listing failed"):
        command.output(["sh", "-c", "exit 3"], "listing")


def test_a_program_sees_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALOCK_PASSWORD", "hunter2")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    seen = command.run(["env"], "env", env={"MINE": "1"})
    assert "hunter2" not in seen
    assert "hunter2" not in command.output(["env"], "env")
    assert "https_proxy=http://proxy.example:3128" in seen
    assert "MINE=1" in seen


def test_a_program_is_ended_with_what_watches_it() -> None:
    class Stopped(Exception):
        """Stands for Ctrl-C."""

    def stop(line: str) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        command.run(["sh", "-c", "echo go; exec sleep 600"], "sleeping", on_line=stop)


def test_missing_programs_are_named_with_their_packages() -> None:
    command.require({"sh": "dash"})
    with pytest.raises(PermanentError, match="apt-get install mmmm"):
        command.require({"sh": "dash", "no-such-program": "mmmm"})


def test_an_archive_that_cannot_be_reached_is_told(tmp_path: Path) -> None:
    sources = f"Types: deb\nURIs: file:{tmp_path}/none\nSuites: bookworm\nComponents: main\n"
    with pytest.raises(TemporaryError, match="fetching the package lists failed"):
        Apt(tmp_path / "apt", sources).update()


def test_a_package_whose_hash_differs_is_not_taken(tmp_path: Path) -> None:
    have = Apt(tmp_path, "")
    have.archives.mkdir()
    (tmp_path / "apt.conf").write_bytes(b"")
    package = Package("git", "1", "amd64", "0" * 64, 3, "git_1_amd64.deb")
    (have.archives / package.file).write_bytes(b"bad")
    with pytest.raises(TemporaryError):
        have.fetch([package], lambda line: None)
    assert not (have.archives / package.file).exists()


def test_files_are_named_as_apt_names_them() -> None:
    stanzas = {("git", "1:2"): {"SHA256": "a" * 64, "Size": "7"}}
    named = apt.package(stanzas, "git_1%3a2_amd64.deb")
    assert named == Package("git", "1:2", "amd64", "a" * 64, 7, "git_1%3a2_amd64.deb")
    with pytest.raises(PermanentError, match="tells no hash"):
        apt.package({}, "git_1%3a2_amd64.deb")
