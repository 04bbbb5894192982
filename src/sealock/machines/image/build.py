"""Build an image: look up the packages, fetch them, make kernel, initrd and root.

Looking up takes seconds and is remembered for an hour, so that asking for an image that is there
already costs nothing. Not to be used by two at once: the store holds its lock around it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.image import Progress
from sealock.machines.image import command, initrd, kernel, root, sources
from sealock.machines.image.additions import Additions
from sealock.machines.image.apt import Apt
from sealock.machines.image.identity import Resolution, Wanted
from sealock.machines.image.recipe import Recipe

REMEMBERED_SECONDS = 3600.0

PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.erofs": "erofs-utils",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "setpriv": "util-linux",
    "unshare": "util-linux",
    "tar": "tar",
    "xargs": "findutils",
}
"""Programs a build calls, and the Debian package each comes in."""

KERNEL, INITRD, ROOT = FILES = ("kernel", "initrd", "root.erofs")
"""The files of an image, by their names in its directory."""


class Builder:
    """Makes images in a directory of its own for package lists, archives and what was looked up."""

    def __init__(
        self, home: Path, additions: Additions, mirror: str | None = None, security_mirror: str | None = None
    ) -> None:
        """home: kept between builds. mirror, security_mirror: instead of what the host's apt uses."""
        self._home = home
        self.additions = additions
        self._mirror = mirror
        self._security_mirror = security_mirror

    def remembered(self, wanted: Wanted) -> Resolution | None:
        """What this was resolved to within the last hour."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            resolution = Resolution.from_json(json.loads(self._memory(wanted).read_text("utf-8")))
            if 0 <= time.time() - resolution.at < REMEMBERED_SECONDS:
                return resolution
        return None

    def resolve(self, wanted: Wanted, progress: Progress) -> Resolution:
        """Every package with its version and hash, newly looked up. TemporaryError if the archive
        cannot be reached, PermanentError if it has no such package."""
        command.require(PROGRAMS if os.geteuid() == 0 else {**PROGRAMS, "newuidmap": "uidmap"})
        recipe = wanted.recipe
        apt = self._apt(recipe)
        progress(f"fetching the package lists of {recipe.suite}")
        apt.update()
        progress("resolving packages")
        kernel_package = apt.depends(kernel.META_PACKAGE, kernel.PACKAGE)
        resolution = Resolution(
            packages=tuple(apt.resolve(apt.bootstrap() | set(root.MANDATORY) | set(recipe.packages))),
            kernel=apt.single(kernel_package),
            busybox=apt.single(initrd.BUSYBOX_PACKAGE),
            tools=_tools(),
            at=time.time(),
        )
        self._remember(wanted, resolution)
        return resolution

    def forget(self, wanted: Wanted) -> None:
        """Look up anew next time: what was remembered turned out wrong."""
        self._memory(wanted).unlink(missing_ok=True)

    def make(self, wanted: Wanted, resolution: Resolution, work: Path, progress: Progress) -> Path:
        """Build into the new directory `work` and return the one in it that holds the image's files."""
        apt = self._apt(wanted.recipe)
        apt.fetch([*resolution.packages, resolution.kernel, resolution.busybox], progress)
        image = work / "image"
        image.mkdir(parents=True)
        progress("making the kernel and initrd")
        self._boot_files(apt, resolution, wanted.guest, image)
        inputs = root.RootInputs(wanted.recipe, wanted.additions, resolution.packages, wanted.guest, apt.home)
        root.build(inputs, work, image / ROOT, progress)
        return image

    def _boot_files(self, apt: Apt, resolution: Resolution, guest: Mapping[str, bytes], image: Path) -> None:
        if "init" not in guest:
            raise PermanentError(
                "this installation lacks the guest's init", resolution="Install Sealock again."
            )
        unpacked = kernel.unpack(apt.archives / resolution.kernel.file)
        busybox = initrd.busybox_of(apt.archives / resolution.busybox.file)
        (image / KERNEL).write_bytes(unpacked.image)
        (image / INITRD).write_bytes(initrd.build(unpacked, busybox, guest["init"]))

    def _apt(self, recipe: Recipe) -> Apt:
        found = sources.of_host(recipe.suite, mirror=self._mirror, security_mirror=self._security_mirror)
        return Apt(self._home / "apt" / recipe.suite, found.deb822())

    def _memory(self, wanted: Wanted) -> Path:
        return self._home / "resolved" / f"{wanted.key.removeprefix('sha256:')}.json"

    def _remember(self, wanted: Wanted, resolution: Resolution) -> None:
        path = self._memory(wanted)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(resolution.to_json()), "utf-8")
        draft.replace(path)


def _tools() -> dict[str, str]:
    packages = ["erofs-utils", "mmdebstrap"]
    wanted = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages]
    lines = command.output(wanted, "reading the versions of the build's tools").splitlines()
    return {name: version for name, _, version in (line.partition(" ") for line in lines)}
