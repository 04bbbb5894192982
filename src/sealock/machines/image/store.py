"""Images on this host's disk: built once, found by name or digest, refused when damaged.

    DIRECTORY/<64 hexadecimal digits>/kernel initrd root.erofs manifest.json
    DIRECTORY/.work/                  package lists, fetched packages, builds under way

An image is built beside and renamed at the end, so one that can be seen is whole. The lock on
`.work` lets one build go on at a time; whoever holds it owns, and removes, what an earlier build
that was killed left behind.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.image import Image, Progress
from sealock.machines.image import identity, manifest, root
from sealock.machines.image.additions import Additions
from sealock.machines.image.build import Builder
from sealock.machines.image.identity import Resolution, Wanted, guest_files, hashes
from sealock.machines.image.recipe import load, shipped

_DIGEST = re.compile(r"(?:sha256:)?(?P<digits>[0-9a-f]{12,64})")
_LOCK_POLL_SECONDS = 0.2


class ImageStore:
    """The port `core.image.Images` over a directory. Implements it by shape."""

    def __init__(
        self,
        directory: Path,
        *,
        additions: Additions | None = None,
        mirror: str | None = None,
        security_mirror: str | None = None,
        builder: Builder | None = None,
    ) -> None:
        """directory: made when first built into. additions: go into every image built here. mirror,
        security_mirror: where to build from, instead of what this host's apt uses. builder: another
        than one made of these."""
        self._directory = directory.absolute()
        self._work = self._directory / ".work"
        self._builder = builder or Builder(self._work, additions or Additions(), mirror, security_mirror)
        self._additions = self._builder.additions

    def find(self, name: str) -> Image:
        """See `core.image.Images.find`. Of several images of a name, one that its shipped recipe and
        the operator's additions would make now is preferred. UsageError if all hold guest scripts of
        another version of Sealock, which would not understand us. PermanentError if its files are damaged."""
        images = self._with_digest(name) or [image for image in self.all() if image.name == name]
        if not images:
            raise UsageError(f"there is no image {name!r} on this host", resolution=_how_to_build(name))
        images = [image for image in images if manifest.guest_of(image) == hashes(guest_files())]
        if not images:
            raise UsageError(
                f"the image {name!r} was built by another version of Sealock", resolution=_how_to_build(name)
            )
        current = self._current(name)
        best = next((image for image in images if manifest.fixed_of(image) == current), images[0])
        manifest.check_sizes(best)
        return best

    def all(self) -> list[Image]:
        """See `core.image.Images.all`."""
        paths = self._directory.glob("[0-9a-f]*/manifest.json")
        images = [image for path in paths if (image := manifest.read(path.parent)) is not None]
        return sorted(images, key=lambda image: image.built_at, reverse=True)

    def build(self, recipe: str, progress: Progress) -> Image:  # the port names it so
        """See `core.image.Images.build`. Two at once build once: the second waits for the first."""
        wanted = Wanted.of(load(recipe), self._additions)
        resolution = self._builder.remembered(wanted)
        if resolution and (image := self._built(wanted, resolution)):
            return image
        with self._building(progress) as work:
            return self._build(wanted, work, progress)

    def remove(self, digest: str) -> None:
        """See `core.image.Images.remove`."""
        found = self._with_digest(digest)
        if not found:
            raise UsageError(
                f"there is no image {digest!r} on this host", resolution="See `sealock image list`."
            )
        path = found[0].root.parent
        with (path / manifest.NAME).open("rb") as lock:
            if not _try_lock(lock.fileno(), fcntl.LOCK_EX):
                raise UsageError(
                    f"the image {found[0].digest} is in use", resolution="Wait until no machine runs from it."
                )
            (path / manifest.NAME).unlink()
            shutil.rmtree(path)

    def verify(self, image: Image) -> None:
        """See `core.image.Images.verify`."""
        manifest.check_hashes(image)

    def inputs(self, image: Image) -> Mapping[str, object]:
        """See `core.image.Images.inputs`."""
        return dict(manifest.load(image.root.parent)["inputs"])

    def _build(self, wanted: Wanted, work: Path, progress: Progress) -> Image:
        try:
            resolution = self._builder.remembered(wanted) or self._builder.resolve(wanted, progress)
        except TemporaryError as error:
            return self._earlier(wanted, error, progress)
        if image := self._built(wanted, resolution):
            return image
        try:
            made = self._builder.make(wanted, resolution, work, progress)
        except TemporaryError:
            self._builder.forget(wanted)
            raise
        digest = manifest.write(made, wanted, resolution)
        target = self._directory / digest.removeprefix("sha256:")
        if target.exists():  # what is left of one that was being removed, or has no readable manifest
            root.clear(target)
        made.rename(target)
        return self._must_read(target)

    def _earlier(self, wanted: Wanted, error: TemporaryError, progress: Progress) -> Image:
        """Without the archive, an image that was built of the same recipe will do."""
        for image in self.all():
            if manifest.fixed_of(image) == wanted.key:
                progress(f"{error.brief}: using the image that is there, of {time.ctime(image.built_at)}")
                return image
        raise error

    def _built(self, wanted: Wanted, resolution: Resolution) -> Image | None:
        digest = identity.digest_of(identity.inputs(wanted, resolution))
        image = manifest.read(self._directory / digest.removeprefix("sha256:"))
        if image:
            manifest.check_sizes(image)
        return image

    def _with_digest(self, prefix: str) -> list[Image]:
        match = _DIGEST.fullmatch(prefix)
        found = [i for i in self.all() if match and i.digest.startswith("sha256:" + match["digits"])]
        if len(found) > 1:
            raise UsageError(f"{prefix} is the beginning of more than one image's digest")
        return found

    def _current(self, name: str) -> str | None:
        if name not in shipped():
            return None
        return Wanted.of(load(name), self._additions).key

    def _must_read(self, directory: Path) -> Image:
        image = manifest.read(directory)
        if image is None:
            raise PermanentError(f"the image just built cannot be read from {directory}")
        return image

    @contextmanager
    def _building(self, progress: Progress) -> Iterator[Path]:
        """A new directory to build in, under the lock; gone when the block is left."""
        builds = self._work / "builds"
        builds.mkdir(parents=True, exist_ok=True)
        with (self._work / "lock").open("wb") as lock:
            _wait_for_lock(lock.fileno(), progress)
            for leftover in builds.iterdir():
                root.clear(leftover)
            work = builds / secrets.token_hex(8)
            work.mkdir()
            try:
                yield work
            finally:
                root.clear(work)


@contextmanager
def in_use(image: Image) -> Iterator[None]:
    """Keep the image from being removed while the block runs, also if we are killed: then it may be
    removed at once. UsageError if it is gone already."""
    path = image.root.parent / manifest.NAME
    try:
        lock = path.open("rb")
    except FileNotFoundError as error:
        raise _removed(image) from error
    with lock:
        if not _try_lock(lock.fileno(), fcntl.LOCK_SH) or os.fstat(lock.fileno()).st_nlink == 0:
            raise _removed(image)
        yield


def _removed(image: Image) -> UsageError:
    return UsageError(f"the image {image.digest} was removed", resolution=_how_to_build(image.name))


def _how_to_build(name: str) -> str:
    recipe = name if name in shipped() else "RECIPE.toml"
    return f"Build it there (sealock image build {recipe}), or name one that is there (sealock image list)."


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(descriptor: int, progress: Progress) -> None:
    told = False
    while not _try_lock(descriptor, fcntl.LOCK_EX):
        if not told:
            progress("waiting for another build on this host to end")
            told = True
        time.sleep(_LOCK_POLL_SECONDS)
