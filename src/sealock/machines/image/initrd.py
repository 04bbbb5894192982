"""The initrd: a static busybox, the modules in loading order, and our own `init`.

It is not compressed: a boot takes the processor the same time with gzip, with zstd and without, and what
no compressor has touched does not depend on a compressor's version.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sealock.core.errors import PermanentError
from sealock.machines.image import command, cpio
from sealock.machines.image.kernel import Kernel

BUSYBOX_PACKAGE = "busybox-static"

# Mount points for `init`, and where the programs lie. `new` becomes the machine's root.
_DIRECTORIES = ("bin", "dev", "lib", "lower", "new", "proc", "run", "rw", "sys", "tmp")


def build(kernel: Kernel, busybox: bytes, init: bytes) -> bytes:
    """The archive. `/modules` lists the modules' paths, one on a line, in the order to load them."""
    members = {name: cpio.directory() for name in _DIRECTORIES}
    members["bin/busybox"] = cpio.file(busybox, 0o755)
    members["init"] = cpio.file(init, 0o755)
    names = [f"lib/{name}.ko" for name, _ in kernel.modules]
    members["modules"] = cpio.file("".join(f"/{name}\n" for name in names).encode("ascii"))
    for name, (_, content) in zip(names, kernel.modules, strict=True):
        members[name] = cpio.file(content)
    return cpio.archive(members)


def busybox_of(deb: Path) -> bytes:
    """The program in a busybox-static package."""
    with tempfile.TemporaryDirectory(dir=deb.parent.parent, prefix="busybox-") as directory:
        command.output(["dpkg-deb", "-x", str(deb), directory], "unpacking busybox")
        for place in ("bin/busybox", "usr/bin/busybox"):
            path = Path(directory) / place
            if path.is_file():
                return path.read_bytes()
    raise PermanentError(f"the package {deb.name} holds no busybox")
