"""The sample's code: the source of a published Python package with its own tests.

Fetched once with pip, as the user's pip is configured, and checked against the hash in `package.txt`;
after that the copy in the user's cache is used and no network is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

REQUIREMENT = Path(__file__).with_name("package.txt")
PIP = (Path(__file__).parents[2] / ".venv/uv/bin/python", "-m", "pip")
CONFIGURATION = """\
# How Sealock builds this project. docs/sealock-yml.md has every field.
image: python
setup:
  - python3 --version
test:
  unit:
    - python3 -m pytest -q
"""


def cache_directory() -> Path:
    """Where the fetched package is kept."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sealock/sample"


def fetch(cache: Path) -> Path:
    """The source archive, fetched unless an unaltered copy is in `cache`.

    RuntimeError, with what pip said, if it cannot be had.
    """
    match = re.fullmatch(r"(\S+)==(\S+) --hash=sha256:([0-9a-f]{64})\n", REQUIREMENT.read_text("ascii"))
    assert match is not None, "our own file"
    name, version, digest = match.groups()
    archive = cache / f"{name}-{version}.tar.gz"
    if not _is(archive, digest):
        cache.mkdir(parents=True, exist_ok=True)
        options = ("--no-binary", ":all:", "--no-deps", "--require-hashes", "--quiet", "--dest", cache)
        result = subprocess.run(
            [*PIP, "download", *options, "-r", REQUIREMENT], capture_output=True, text=True, check=False
        )
        if result.returncode != 0 or not _is(archive, digest):
            raise RuntimeError(f"pip could not fetch {name} {version}:\n{result.stderr}")
    return archive


def unpack(archive: Path, target: Path) -> None:
    """The archive's plain files into `target`, without its outermost directory, and a sealock.yml.

    ValueError if a name in it leads outside. Links and the like are left out.
    """
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts[1:]
            if ".." in parts:
                raise ValueError(f"{archive.name} holds the name {member.name}")
            content = tar.extractfile(member) if member.isfile() and parts else None
            if content is not None:
                path = target.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    (target / "sealock.yml").write_text(CONFIGURATION)


def _is(archive: Path, digest: str) -> bool:
    return archive.is_file() and hashlib.sha256(archive.read_bytes()).hexdigest() == digest
