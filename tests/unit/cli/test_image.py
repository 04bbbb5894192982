"""`sealock image`: words for people, JSON for programs, and proof before anything is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sealock.cli.main import run_command_line
from sealock.core.errors import PermanentError, UsageError
from sealock.core.image import Image, Progress

Sealock = Callable[..., tuple[int, str, str]]

DIGEST = "sha256:" + "ab" * 32
IMAGE = Image(
    digest=DIGEST,
    content="sha256:" + "cd" * 32,
    name="base",
    suite="bookworm",
    user="build",
    kernel=Path("/i/kernel"),
    initrd=Path("/i/initrd"),
    root=Path("/i/root"),
    built_at=1_767_225_600.0,
    size=213_000_000,
)
PACKAGE = {"name": "git", "version": "1"}


class FakeImages:
    """Holds what it is told to hold."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.damaged = False

    def find(self, name: str) -> Image:
        for image in self.images:
            if name in (image.name, image.digest):
                return image
        raise UsageError(f"there is no image {name!r} on this host")

    def all(self) -> list[Image]:
        return self.images

    def build(self, recipe: str, progress: Progress) -> Image:
        progress("fetching \x1b[2Jpackages")
        self.images.append(IMAGE)
        return IMAGE

    def remove(self, digest: str) -> None:
        self.images.remove(self.find(digest))

    def verify(self, image: Image) -> None:
        if self.damaged:
            raise PermanentError("the image is damaged", resolution="Build it again.")

    def inputs(self, image: Image) -> Mapping[str, object]:
        return {"packages": [PACKAGE], "kernel": {"name": "linux-image", "version": "6.1"}}


class Tools:
    """Images and nothing else."""

    def __init__(self) -> None:
        self.fake = FakeImages()

    def images(self) -> FakeImages:
        return self.fake


@pytest.fixture
def tools() -> Tools:
    return Tools()


@pytest.fixture
def sealock(tools: Tools, capfd: pytest.CaptureFixture[str]) -> Sealock:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run_command_line(tools, ["image", *arguments])  # type: ignore[arg-type]  # what they need
        out, err = capfd.readouterr()
        return int(code), out, err

    return call


def test_build_tells_its_progress_beside_and_the_image_at_the_end(sealock: Sealock) -> None:
    code, out, err = sealock("build", "base")
    assert code == 0
    assert out == f"base {DIGEST}\n213 MB, built 2026-01-01 00:00 UTC\n"
    assert "s  image base: fetching packages\n" in err


def test_list_tells_how_to_build_the_first(sealock: Sealock) -> None:
    assert "sealock image build" in sealock("list")[1]
    sealock("build", "base")
    assert sealock("list")[1] == "base  sha256:abababababab  bookworm   2026-01-01 00:00 UTC    213 MB\n"


def test_list_and_show_speak_json(sealock: Sealock) -> None:
    assert json.loads(sealock("list", "--json")[1]) == []
    sealock("build", "base")
    (listed,) = json.loads(sealock("list", "--json")[1])
    assert (listed["digest"], listed["root"], listed["size"]) == (DIGEST, "/i/root", 213_000_000)
    shown = json.loads(sealock("show", "base", "--json")[1])
    assert shown["inputs"]["packages"] == [PACKAGE]
    assert {name: value for name, value in shown.items() if name != "inputs"} == listed


def test_show_tells_what_is_in_it(sealock: Sealock) -> None:
    sealock("build", "base")
    code, out, _ = sealock("show", "base")
    assert code == 0
    assert f"digest    {DIGEST}\n" in out
    assert "kernel    linux-image 6.1\n" in out
    assert "packages  1 (" in out


def test_a_damaged_image_is_not_shown(sealock: Sealock, tools: Tools) -> None:
    sealock("build", "base")
    tools.fake.damaged = True
    code, out, err = sealock("show", "base")
    assert (code, out) == (3, "")
    assert "damaged" in err


def test_remove_removes_and_says_so(sealock: Sealock, tools: Tools) -> None:
    sealock("build", "base")
    assert sealock("remove", DIGEST) == (0, f"The image {DIGEST} is removed.\n", "")
    assert tools.fake.images == []
    assert sealock("remove", DIGEST)[0] == 2
    assert sealock("remove")[0] == 2
