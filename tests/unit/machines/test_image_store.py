"""The store: found by name and digest, built once, nothing left of what broke, damage refused."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.image import Image, Images, Progress
from sealock.machines.image.additions import Additions
from sealock.machines.image.apt import Package
from sealock.machines.image.build import Builder
from sealock.machines.image.identity import Resolution, Wanted
from sealock.machines.image.store import ImageStore, in_use

PACKAGE = Package("git", "1", "amd64", "a" * 64, 10, "git_1_amd64.deb")


class QuickBuilder(Builder):
    """Builds in no time, of packages that need no archive."""

    def __init__(self, home: Path, additions: Additions | None = None) -> None:
        super().__init__(home, additions or Additions())
        self.version = "1"
        self.resolved = 0
        self.made = 0
        self.offline = False
        self.breaks: Exception | None = None

    def remembered(self, wanted: Wanted) -> Resolution | None:
        return None

    def resolve(self, wanted: Wanted, progress: Progress) -> Resolution:
        if self.offline:
            raise TemporaryError("fetching the package lists failed")
        self.resolved += 1
        packages = (replace(PACKAGE, version=self.version),)
        return Resolution(packages, PACKAGE, PACKAGE, {}, time.time())

    def make(self, wanted: Wanted, resolution: Resolution, work: Path, progress: Progress) -> Path:
        image = work / "image"
        image.mkdir()
        (image / "kernel").write_bytes(b"kernel")
        (image / "initrd").write_bytes(b"initrd")
        if self.breaks:
            raise self.breaks
        self.made += 1
        (image / "root.erofs").write_bytes(f"root {wanted.recipe.name} {self.version}".encode())
        return image


@pytest.fixture
def builder(tmp_path: Path) -> QuickBuilder:
    return QuickBuilder(tmp_path / "images/.work")


@pytest.fixture
def store(tmp_path: Path, builder: QuickBuilder) -> ImageStore:
    return ImageStore(tmp_path / "images", builder=builder)


def quiet(line: str) -> None:
    """Takes progress and says nothing."""


def build(store: Images, recipe: str = "base") -> Image:
    return store.build(recipe, quiet)


def leftovers(store: ImageStore, tmp_path: Path) -> list[Path]:
    return list((tmp_path / "images/.work/builds").iterdir())


def test_what_was_built_is_found(store: ImageStore, tmp_path: Path) -> None:
    made = build(store)
    assert store.find("base") == store.find(made.digest) == store.find(made.digest[7:19]) == made
    assert store.all() == [made]
    assert made.root.read_bytes() == b"root base 1"
    assert made.size == len("kernel" + "initrd" + "root base 1")
    assert leftovers(store, tmp_path) == []
    assert store.inputs(made)["packages"] == [
        {
            "name": "git",
            "version": "1",
            "architecture": "amd64",
            "sha256": "a" * 64,
            "size": 10,
            "file": PACKAGE.file,
        }
    ]


def test_the_same_inputs_are_built_once(store: ImageStore, builder: QuickBuilder) -> None:
    assert build(store) == build(store)
    assert builder.made == 1
    builder.version = "2"
    build(store)
    assert builder.made == 2


def test_two_at_once_build_once(tmp_path: Path, builder: QuickBuilder) -> None:
    stores = [ImageStore(tmp_path / "images", builder=builder) for _ in range(4)]
    found: list[Image] = []
    threads = [threading.Thread(target=lambda s=each: found.append(build(s))) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert builder.made == 1
    assert len(found) == 4
    assert len(set(found)) == 1


def test_the_newest_of_a_name_is_found(store: ImageStore, builder: QuickBuilder) -> None:
    build(store)
    builder.version = "2"
    newest = build(store)
    assert store.find("base") == newest
    assert len(store.all()) == 2


def test_an_image_of_the_present_recipe_is_preferred(tmp_path: Path, store: ImageStore) -> None:
    ours = build(store)
    other = QuickBuilder(tmp_path / "images/.work", Additions(pip_conf="x"))
    theirs = build(ImageStore(tmp_path / "images", builder=other))
    assert theirs.built_at > ours.built_at
    assert store.find("base") == ours


def test_an_image_with_other_guest_scripts_is_refused(
    store: ImageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = build(store)
    monkeypatch.setattr("sealock.machines.image.store.guest_files", lambda: {"start": b"of another version"})
    for name in ("base", image.digest):
        with pytest.raises(UsageError, match="another version of Sealock") as refused:
            store.find(name)
        assert "sealock image build base" in refused.value.resolution or name != "base"


def test_what_is_not_there_tells_how_to_build_it(store: ImageStore) -> None:
    with pytest.raises(UsageError, match="sealock image build python"):
        store.find("python")
    with pytest.raises(UsageError, match=r"sealock image build RECIPE\.toml"):
        store.find("f" * 64)
    assert store.all() == []


@pytest.mark.parametrize("name", ["", "..", "../base", "sha256:", "ab", "sha256:" + "0" * 65, "-x", "a\nb"])
def test_a_strange_name_finds_nothing(store: ImageStore, name: str) -> None:
    build(store)
    with pytest.raises(UsageError, match="there is no image"):
        store.find(name)
    with pytest.raises(UsageError, match="there is no image"):
        store.remove(name)


def test_a_build_that_breaks_leaves_nothing(store: ImageStore, builder: QuickBuilder, tmp_path: Path) -> None:
    builder.breaks = PermanentError("building the root failed")
    with pytest.raises(PermanentError):
        build(store)
    assert store.all() == []
    assert leftovers(store, tmp_path) == []
    assert {path.name for path in (tmp_path / "images").iterdir()} == {".work"}


def test_the_next_build_clears_what_a_killed_one_left(store: ImageStore, tmp_path: Path) -> None:
    left = tmp_path / "images/.work/builds/abc/root"
    left.mkdir(parents=True)
    (left / "file").write_bytes(b"x")
    build(store)
    assert leftovers(store, tmp_path) == []


def test_without_the_archive_the_same_recipes_image_will_do(store: ImageStore, builder: QuickBuilder) -> None:
    made = build(store)
    builder.offline = True
    lines: list[str] = []
    assert store.build("base", lines.append) == made
    assert "using the image that is there" in lines[-1]
    with pytest.raises(TemporaryError):
        build(store, "python")


def test_what_is_left_of_a_removed_image_is_built_over(store: ImageStore) -> None:
    made = build(store)
    (made.root.parent / "manifest.json").unlink()
    assert store.all() == []
    assert build(store).digest == made.digest


def test_a_directory_that_is_no_image_is_passed_over(store: ImageStore, tmp_path: Path) -> None:
    made = build(store)
    for name, text in [("0" * 64, "{}"), ("1" * 64, "not JSON"), ("2" * 64, '{"version": 1, "digest": []}')]:
        (tmp_path / "images" / name).mkdir()
        (tmp_path / "images" / name / "manifest.json").write_text(text)
    moved = tmp_path / "images" / ("3" * 64)
    moved.mkdir()
    (moved / "manifest.json").write_bytes((made.root.parent / "manifest.json").read_bytes())
    assert store.all() == [made]


def test_a_file_of_another_length_is_refused(store: ImageStore) -> None:
    made = build(store)
    made.root.chmod(0o644)
    made.root.write_bytes(b"root")
    with pytest.raises(PermanentError, match="has 4 bytes instead of 11") as caught:
        store.find("base")
    assert f"sealock image remove {made.digest}" in caught.value.resolution
    made.root.unlink()
    with pytest.raises(PermanentError, match="is missing"):
        store.find("base")


@pytest.mark.parametrize("name", ["kernel", "initrd", "root.erofs"])
def test_a_flipped_bit_is_found(store: ImageStore, name: str) -> None:
    made = build(store)
    store.verify(made)
    path = made.root.parent / name
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    store.find("base")
    with pytest.raises(PermanentError, match="other contents"):
        store.verify(made)


def test_a_changed_manifest_is_found(store: ImageStore) -> None:
    made = build(store)
    path = made.root.parent / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"version": "1"', '"version": "9"'))
    with pytest.raises(PermanentError, match="manifest was changed"):
        store.verify(store.find("base"))


def test_removed_is_gone(store: ImageStore, tmp_path: Path) -> None:
    made = build(store)
    store.remove(made.digest[:19])
    assert store.all() == []
    assert not made.root.parent.exists()


def test_an_image_in_use_is_not_removed(store: ImageStore) -> None:
    made = build(store)
    with in_use(made), in_use(made):
        with pytest.raises(UsageError, match="is in use"):
            store.remove(made.digest)
        assert store.find("base") == made
    store.remove(made.digest)
    with pytest.raises(UsageError, match="was removed"), in_use(made):
        pass


def test_a_prefix_of_two_images_is_refused(store: ImageStore, tmp_path: Path) -> None:
    made = build(store)
    twin = made.digest[7:-1] + ("0" if made.digest[-1] != "0" else "1")
    copy = tmp_path / "images" / twin
    copy.mkdir()
    text = (made.root.parent / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace(made.digest, f"sha256:{twin}"))
    with pytest.raises(UsageError, match="more than one"):
        store.find(made.digest[:30])
