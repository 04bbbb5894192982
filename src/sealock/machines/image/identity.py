"""What names an image: a digest over everything that went in, and one over what came out.

What needs no look-up (`Wanted`) is known at once; the packages are added when they are resolved. Tool
versions count, since another mkfs lays the same files out differently.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sealock.machines.image.additions import Additions
from sealock.machines.image.apt import Package
from sealock.machines.image.recipe import Recipe

GUEST = Path(__file__).resolve().parent.parent / "guest"
_HERE = Path(__file__).resolve().parent

# Their text decides what an image's bytes are: a change in one of them makes another image.
_BUILDER = ("cpio.py", "initrd.py", "kernel.py", "pack.py", "root.py", "hooks/customize", "hooks/setup")


@dataclass(frozen=True)
class Resolution:
    """Which packages an image takes. tools: program and version. at: seconds since 1970."""

    packages: tuple[Package, ...]
    kernel: Package
    busybox: Package
    tools: dict[str, str]
    at: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Resolution:
        """Back from `to_json`. KeyError or TypeError if it is something else."""
        return cls(
            tuple(Package(**package) for package in data["packages"]),
            Package(**data["kernel"]),
            Package(**data["busybox"]),
            dict(data["tools"]),
            float(data["at"]),
        )


def guest_files() -> dict[str, bytes]:
    """Our own scripts that go into every image, by name."""
    paths = (path for path in GUEST.iterdir() if path.is_file() and path.suffix != ".py")
    return {path.name: path.read_bytes() for path in sorted(paths)}


@dataclass(frozen=True)
class Wanted:
    """What to build, read once: a file of ours that changes during a build must not get into an image
    that is named by what it was before. fixed: the inputs that are known without asking anybody, as
    plain JSON values. key: their digest."""

    recipe: Recipe
    additions: Additions
    guest: Mapping[str, bytes]
    fixed: Mapping[str, Any]
    key: str

    @classmethod
    def of(cls, recipe: Recipe, additions: Additions) -> Wanted:
        """Read our own files now."""
        guest = guest_files()
        fixed = {
            "recipe": recipe.canonical(),
            "additions": additions.canonical(),
            "guest": hashes(guest),
            "builder": {name: _sha256((_HERE / name).read_bytes()) for name in _BUILDER},
        }
        return cls(recipe, additions, guest, fixed, digest_of(fixed))


def hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file's content, by name."""
    return {name: _sha256(content) for name, content in files.items()}


def inputs(wanted: Wanted, resolution: Resolution) -> dict[str, Any]:
    """All inputs, as plain JSON values. When they were resolved is not one of them."""
    resolved = resolution.to_json()
    del resolved["at"]
    return {**wanted.fixed, **resolved}


def digest_of(values: Mapping[str, Any]) -> str:
    """`sha256:…` over the canonical JSON of the values: sorted keys, no spaces, UTF-8."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + _sha256(text.encode("utf-8"))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
