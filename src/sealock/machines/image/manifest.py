"""An image's manifest: what went in, what came out, and whether the files are still that."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sealock.core.errors import PermanentError
from sealock.core.image import Image
from sealock.machines.image import identity
from sealock.machines.image.build import FILES, INITRD, KERNEL, ROOT
from sealock.machines.image.identity import Resolution, Wanted

NAME = "manifest.json"
_VERSION = 1


def write(directory: Path, wanted: Wanted, resolution: Resolution) -> str:
    """Write the manifest for the files in `directory`, and everything through to the disk. Returns the
    image's digest."""
    files = {
        name: {"sha256": _hash(directory / name), "size": (directory / name).stat().st_size} for name in FILES
    }
    inputs = identity.inputs(wanted, resolution)
    document = {
        "version": _VERSION,
        "digest": identity.digest_of(inputs),
        "content": identity.digest_of({name: file["sha256"] for name, file in files.items()}),
        "fixed": wanted.key,
        "name": wanted.recipe.name,
        "suite": wanted.recipe.suite,
        "user": wanted.recipe.user,
        "built_at": time.time(),
        "files": files,
        "inputs": inputs,
    }
    (directory / NAME).write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", "utf-8")
    for name in (*FILES, NAME):
        (directory / name).chmod(0o444)
        _flush(directory / name)
    directory.chmod(0o755)
    _flush(directory)
    return str(document["digest"])


def load(directory: Path) -> dict[str, Any]:
    """The manifest as plain JSON values. OSError or ValueError if it cannot be read."""
    document = json.loads((directory / NAME).read_text("utf-8"))
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"{directory / NAME} is not a manifest of version {_VERSION}")
    return document


def read(directory: Path) -> Image | None:
    """The image in a directory; None if there is no manifest, or not one that fits its directory."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document = load(directory)
        if document["digest"] != f"sha256:{directory.name}":
            return None
        return Image(
            digest=document["digest"],
            content=document["content"],
            name=document["name"],
            suite=document["suite"],
            user=document["user"],
            kernel=directory / KERNEL,
            initrd=directory / INITRD,
            root=directory / ROOT,
            built_at=float(document["built_at"]),
            size=sum(int(file["size"]) for file in document["files"].values()),
        )
    return None


def fixed_of(image: Image) -> str:
    """The digest over the image's inputs without its packages."""
    return str(load(image.root.parent)["fixed"])


def guest_of(image: Image) -> dict[str, str]:
    """The digests of the guest scripts in it, by name."""
    return dict(load(image.root.parent)["inputs"]["guest"])


def check_sizes(image: Image) -> None:
    """PermanentError if a file is missing or of another length than when it was built."""
    for name, file in load(image.root.parent)["files"].items():
        path = image.root.parent / name
        size = path.stat().st_size if path.is_file() else None
        if size != file["size"]:
            seen = "is missing" if size is None else f"has {size} bytes instead of {file['size']}"
            raise _damaged(image, f"{path} {seen}")


def check_hashes(image: Image) -> None:
    """PermanentError if a file is not byte for byte what was built."""
    check_sizes(image)
    document = load(image.root.parent)
    for name, file in document["files"].items():
        if _hash(image.root.parent / name) != file["sha256"]:
            raise _damaged(image, f"{image.root.parent / name} has other contents than when it was built")
    content = identity.digest_of({name: file["sha256"] for name, file in document["files"].items()})
    if content != image.content or identity.digest_of(document["inputs"]) != image.digest:
        raise _damaged(image, "its manifest was changed")


def _damaged(image: Image, details: str) -> PermanentError:
    return PermanentError(
        f"the image {image.name} ({image.digest[:19]}) is damaged",
        details=details,
        resolution=f"Remove it and build it again: sealock image remove {image.digest}",
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
