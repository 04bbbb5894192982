"""The root image: Debian packages by mmdebstrap, our own files on top, packed by `pack`.

Packages come from the directory where they were fetched and checked; the guest's scripts, the
recipe's and the operator's files go in as one archive that is unpacked inside the new root.
"""

from __future__ import annotations

import io
import shutil
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.core.image import Progress
from sealock.machines.image import command
from sealock.machines.image.additions import SOURCES_PLACE, Additions
from sealock.machines.image.apt import ARCHITECTURE, Package
from sealock.machines.image.pack import EPOCH
from sealock.machines.image.recipe import Recipe

MANDATORY = (
    "bash",
    "ca-certificates",
    "git",
    "iproute2",
    "netcat-openbsd",
    "openssh-client",
    "openssh-server",
    "procps",
    "sudo",
)
"""Packages of every image, whatever its recipe says: machines are driven by them."""

_HOOKS = Path(__file__).resolve().parent / "hooks"
_PACK = Path(__file__).resolve().parent / "pack.py"
_GUEST_PLACE = "/usr/lib/sealock"

# Kept in the guest: packages installed there later are lighter and quicker too.
_DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/man/*
"""


@dataclass(frozen=True)
class RootInputs:
    """Everything the root is made of. apt: the directory with lists and archives. guest: our scripts."""

    recipe: Recipe
    additions: Additions
    packages: tuple[Package, ...]
    guest: Mapping[str, bytes]
    apt: Path


def build(inputs: RootInputs, work: Path, out: Path, progress: Progress) -> None:
    """Write the root image to `out`; `work` is an empty directory to work in. PermanentError with the
    last lines of what failed."""
    work.chmod(0o755)
    stage, tree = work / "stage", work / "root"
    _prepare(inputs, stage)
    since = time.time() - 2
    count = len(inputs.packages)
    watch = Watch(progress, count)
    command.run(
        _mmdebstrap(inputs, stage, tree),
        "building the root",
        on_line=watch,
        env=_env(inputs, stage),
        contain=True,
    )
    _compare(inputs, watch.installed)
    progress("packing the root")
    # The program imports the standard library alone; -I keeps whatever lies around it out.
    packing = [sys.executable, "-I", str(_PACK), str(tree), str(out), str(since)]
    command.run(packing, "packing the root", contain=True)


def clear(directory: Path) -> None:
    """Remove a directory that something was or is being built in."""
    removing = ["rm", "-rf", "--one-file-system", "--", str(directory)]
    command.run(removing, "clearing the build directory", contain=True)


def files(inputs: RootInputs) -> dict[str, tuple[bytes, int]]:
    """What goes into the root beside packages: path to content and mode."""
    user = inputs.recipe.user
    found: dict[str, tuple[bytes, int]] = {
        "/etc/default/locale": (b"LANG=C.UTF-8\n", 0o644),
        "/etc/apt/apt.conf.d/90sealock": (b'Acquire::Languages "none";\n', 0o644),
        "/etc/sudoers.d/sealock": (f"{user} ALL=(ALL:ALL) NOPASSWD: ALL\n".encode(), 0o440),
    }
    for file in inputs.recipe.files:
        found[file.path] = (file.content, file.mode)
    for path, content in inputs.additions.files().items():
        found[path] = (content, 0o644)
    for name, content in inputs.guest.items():
        found[f"{_GUEST_PLACE}/{name}"] = (content, 0o755)
    return found


def _prepare(inputs: RootInputs, stage: Path) -> None:
    (stage / "commands").mkdir(parents=True)
    (stage / "archives").mkdir()
    for package in inputs.packages:
        (stage / "archives" / package.file).hardlink_to(inputs.apt / "archives" / package.file)
    (stage / "files.tar").write_bytes(archive(files(inputs)))
    (stage / "dpkg.cfg").write_text(_DPKG, "ascii")
    for number, argv in enumerate(inputs.recipe.commands, start=1):
        words = "".join(f"{word}\0" for word in argv)
        (stage / "commands" / f"{number:04d}").write_text(words, "utf-8")
    if SOURCES_PLACE in inputs.additions.files():
        (stage / "own-sources").touch()
    for hook in ("setup", "customize"):
        shutil.copyfile(_HOOKS / hook, stage / hook)
        (stage / hook).chmod(0o755)


def archive(contents: Mapping[str, tuple[bytes, int]]) -> bytes:
    """A tar archive of these files, all root's, the same bytes every time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, (content, mode) in sorted(contents.items()):
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode, member.mtime = len(content), mode, EPOCH
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _mmdebstrap(inputs: RootInputs, stage: Path, tree: Path) -> list[str]:
    wanted = ",".join(f"{package.name}={package.version}" for package in inputs.packages)
    return [
        "mmdebstrap",
        "--verbose",
        "--variant=minbase",
        "--mode=root",
        f"--architectures={ARCHITECTURE}",
        "--format=directory",
        "--skip=update,check/signed-by,essential/unlink,chroot/mount/sys",
        f"--include={wanted}",
        f"--dpkgopt={stage / 'dpkg.cfg'}",
        f"--setup-hook={stage / 'setup'}",
        f"--customize-hook={stage / 'customize'}",
        inputs.recipe.suite,
        str(tree),
    ]


def _env(inputs: RootInputs, stage: Path) -> dict[str, str]:
    return {
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "SEALOCK_STAGE": str(stage),
        "SEALOCK_APT": str(inputs.apt),
        "SEALOCK_USER": inputs.recipe.user,
    }


def _compare(inputs: RootInputs, installed: set[tuple[str, str]]) -> None:
    resolved = {(package.name, package.version) for package in inputs.packages}
    absent = sorted(name for name, _ in resolved - installed)
    extra = sorted(name for name, _ in installed - resolved)
    if absent or (extra and not inputs.recipe.commands):
        raise PermanentError(
            "the root holds other packages than were resolved",
            details=f"missing: {' '.join(absent) or 'none'}; not resolved: {' '.join(extra) or 'none'}",
            resolution="Add the missing packages to the recipe by name.",
        )


class Watch:
    """Reads along while a root is built: makes a percentage of what dpkg prints, and keeps what our own
    hook tells. installed: name and version of each package in the root, once it is built."""

    def __init__(self, progress: Progress, packages: int) -> None:
        self.installed: set[tuple[str, str]] = set()
        self._progress = progress
        self._steps = packages * 2
        self._seen = 0
        self._told = 0

    def __call__(self, line: str) -> None:
        match line.split():
            case ["sealock:", "installed", name, version]:
                self.installed.add((name, version))
            case ["sealock:", "command", number]:
                self._progress(f"running command {number} of the recipe")
            case ["Unpacking", *_] | ["Setting", "up", *_]:
                self._count()

    def _count(self) -> None:
        self._seen += 1
        percent = min(100, 100 * self._seen // self._steps)
        if percent >= self._told + 5:
            self._told = percent
            self._progress(f"installing packages, {percent} %")
