"""An image: the read-only root that every machine of its kind starts from.

An image is named by the digest of what went in (recipe, packages with their versions, kernel, our
own guest files), so that nothing is built twice and a receipt can name it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Image:
    """A built image. All three files are read-only and lie in one directory on the build host's disk.

    digest: `sha256:` and 64 hexadecimal digits, over the inputs. name: the recipe's name.
    content: `sha256:…` over the bytes of kernel, initrd and root, what a reproducible build repeats.
    user: who the build's commands run as. built_at: seconds since 1970. size: bytes on disk.
    """

    digest: str
    content: str
    name: str
    suite: str
    user: str
    kernel: Path
    initrd: Path
    root: Path
    built_at: float
    size: int


Progress = Callable[[str], None]
"""Takes one short line about what is being done now."""


class Images(Protocol):
    """Where images are kept."""

    def find(self, name: str) -> Image:
        """The newest image of that recipe name, or the one with that digest (a unique prefix of at
        least 12 hexadecimal digits will do). UsageError says how to build it if there is none."""
        ...

    def all(self) -> list[Image]:
        """Every complete image, newest first."""
        ...

    def build(self, recipe: str, progress: Progress) -> Image:
        """Build the image of a recipe: the name of a shipped one, or the path of a TOML file. Returns
        at once if these inputs were built before. Nothing is left behind if it fails half-way."""
        ...

    def remove(self, digest: str) -> None:
        """Delete an image from this host. UsageError if it is not there or a machine uses it."""
        ...

    def verify(self, image: Image) -> None:
        """Read the whole image and compare it with what was built. PermanentError if it differs."""
        ...

    def inputs(self, image: Image) -> Mapping[str, object]:
        """Everything its digest is made of, as plain JSON values. `packages` lists what lies in the
        root: `name`, `version`, `architecture`, `sha256`, `size` and `file` of each."""
        ...
