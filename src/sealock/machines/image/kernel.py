"""Debian's cloud kernel: the kernel itself, and just the modules a machine needs, in loading order.

What a module needs first stands in the module file itself, so no tool of the host is asked.
"""

from __future__ import annotations

import gzip
import lzma
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.machines.image import command

META_PACKAGE = "linux-image-cloud-amd64"
PACKAGE = re.compile(r"linux-image-[0-9][a-z0-9.+-]*-cloud-amd64")

# A kernel may have one of these built in instead: then there is nothing to load.
MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio-rng",
    "overlay",
    "erofs",
    "vmgenid",
)
_OPTIONAL = frozenset({"vmgenid"})

_UNPACK: dict[str, Callable[[bytes], bytes]] = {".ko": bytes, ".xz": lzma.decompress, ".gz": gzip.decompress}


@dataclass(frozen=True)
class Kernel:
    """image: what a boot loader starts. modules: name and contents, each after those it needs.
    release: as `uname -r` tells it."""

    image: bytes
    modules: tuple[tuple[str, bytes], ...]
    release: str


def unpack(deb: Path) -> Kernel:
    """Take the kernel and the modules out of a kernel package. PermanentError if one is missing."""
    with tempfile.TemporaryDirectory(dir=deb.parent.parent, prefix="kernel-") as directory:
        root = Path(directory)
        command.output(["dpkg-deb", "-x", str(deb), str(root)], "unpacking the kernel")
        image = next(iter(sorted(root.glob("boot/vmlinuz-*"))), None)
        if image is None:
            raise PermanentError(f"the package {deb.name} holds no kernel")
        release = image.name.removeprefix("vmlinuz-")
        modules = _modules(_directory(root, release))
        return Kernel(image.read_bytes(), modules, release)


def _directory(root: Path, release: str) -> Path:
    for base in ("lib/modules", "usr/lib/modules"):
        if (root / base / release).is_dir():
            return root / base / release
    raise PermanentError(f"the kernel {release} came without modules")


def _modules(directory: Path) -> tuple[tuple[str, bytes], ...]:
    paths = {_plain(path.name): path for path in sorted(directory.rglob("*.ko*"))}
    built_in = {_plain(Path(line).name) for line in _lines(directory / "modules.builtin")}
    loaded: dict[str, bytes] = {}

    def load(name: str, *, optional: bool = False) -> None:
        if name in loaded or name in built_in:
            return
        if name not in paths:
            if optional:
                return
            raise PermanentError(f"the kernel package has no module {name}")
        content = _UNPACK[paths[name].suffix](paths[name].read_bytes())
        for needed in needs(content):
            load(needed)
        loaded[name] = content

    for name in MODULES:
        load(_plain(name), optional=name in _OPTIONAL)
    return tuple(loaded.items())


def needs(module: bytes) -> list[str]:
    """The names of the modules that this one needs loaded before it."""
    found = re.search(rb"\0depends=([A-Za-z0-9_,-]*)\0", module)
    names = found[1].decode("ascii").split(",") if found else []
    return [_plain(name) for name in names if name]


def _plain(name: str) -> str:
    return re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_")


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.is_file() else []
