"""The tree speaks of Sealock alone: no package index, no single person's machine, no tracker's numbers.

Where packages come from is each user's own configuration, so that mirrors and closed networks work.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNWANTED = {
    "a package registry's host": re.compile(
        r"pypi\.(python\.)?org|pythonhosted\.org|npmjs\.(org|com)|\b(deb|ftp|security|snapshot)\.[a-z.]*debian\.org"
        r"|rubygems\.org|crates\.io|proxy\.golang\.org"
    ),
    "a path of one machine": re.compile(r"(?<![\w.~}])/(work|Users)/"),
    "an issue's number": re.compile(r"\bissues? #?\d", re.IGNORECASE),
}


def tree() -> list[Path]:
    """Every text file that is or would be committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


@pytest.mark.parametrize("what", UNWANTED)
def test_the_tree_holds_no_trace_of(what: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tree()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if UNWANTED[what].search(line)
    ]
    assert not found, "\n".join(found)


def test_the_lock_names_hashes_and_no_place() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--index" not in lock
    packages = re.findall(r"^([a-z0-9.-]+)==.*((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)+)", lock, re.MULTILINE)
    assert len(packages) == len(re.findall(r"^[a-z]", lock, re.MULTILINE))
