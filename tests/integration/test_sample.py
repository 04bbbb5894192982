"""The main job's own steps, with an installation that answers as it is told and a real Git server."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.sample import run as sample
from scripts.sample.installation import Owner

BUILD = "5" * 32


class ToldInstallation:
    """codes: what a command ends with, by its first words."""

    origin = "https://localhost:8443"

    def __init__(self, codes: dict[str, int]) -> None:
        self.codes = codes
        self.calls: list[str] = []
        self.waited = False
        self.is_up = False

    @contextmanager
    def up(self) -> Iterator[str]:
        self.is_up = True
        yield f"{self.origin}/setup/secret"
        self.is_up = False

    def wait(self) -> None:
        self.waited = True

    def authority(self) -> str:
        return "-----BEGIN CERTIFICATE-----\n"

    def told(self, *arguments: str) -> Any:
        self.calls.append(" ".join(arguments[:2]))
        return {"public_key": "ssh-ed25519 AAAA sealock:sample", "script": "#!/bin/sh\nexit 0\n", "id": BUILD}

    def must(self, *arguments: str) -> None:
        self.run(*arguments)

    def run(self, *arguments: str, quiet: bool = False, given: str | None = None) -> int:
        call = " ".join(arguments[:2])
        self.calls.append(call)
        return self.codes.get(call, 0)


class Stage:
    """A sample over such an installation."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        archive = directory / "package.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.addfile(tarfile.TarInfo("package-1/module.py"), io.BytesIO())
        monkeypatch.setattr(sample, "fetch", lambda _: archive)
        monkeypatch.setattr(sample, "sign_up", lambda *_: Owner("owner@example.com", "a password"))
        self._monkeypatch = monkeypatch
        self.installation = ToldInstallation({})

    def run(self, *, once: bool = True, **codes: int) -> int:
        self.installation = ToldInstallation({name.replace("_", " "): code for name, code in codes.items()})
        self._monkeypatch.setattr(sample, "Installation", lambda *_, **__: self.installation)
        return sample.Sample(self._directory, once=once).run()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_a_push_is_built_watched_verified_and_shown(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run() == 0
    assert stage.installation.calls == [
        "image show",
        "image build",
        "projects add",
        "projects hook",
        "watch sample",
        "receipt verify",
    ]
    assert BUILD not in capsys.readouterr().out, "its page is gone with the server"
    hook = tmp_path / "git/sample.git/hooks/post-receive"
    assert hook.stat().st_mode & 0o777 == 0o700
    assert "sealock:sample" in (tmp_path / "git/authorized_keys").read_text()
    assert not stage.installation.is_up and not stage.installation.waited


def test_the_server_stays_unless_it_is_for_once(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run(once=False) == 0
    assert stage.installation.waited
    out = capsys.readouterr().out
    assert f"== https://localhost:8443/builds/{BUILD}" in out
    assert "Sign in as owner@example.com with a password" in out


def test_a_missing_image_is_built(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run(image_show=2) == 0
    assert stage.installation.calls[:2] == ["image show", "image build"]
    assert "Building the image" in capsys.readouterr().out


def test_a_red_build_is_the_result_and_its_receipt_is_verified_all_the_same(stage: Stage) -> None:
    assert stage.run(watch_sample=1) == 1
    assert "receipt verify" in stage.installation.calls


def test_a_receipt_that_does_not_verify_is_no_success(stage: Stage) -> None:
    assert stage.run(receipt_verify=3) == 3
