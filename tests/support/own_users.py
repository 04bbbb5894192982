"""Keeper and website as users of their own, out of those of every Debian, and a Python they can read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

KEEPER, WEBSITE = "nobody", "www-data"
KEEPER_ID, WEBSITE_ID = 65534, 33
SETTINGS = {"SEALOCK_KEEPER_USER": KEEPER, "SEALOCK_WEB_USER": WEBSITE}

ROOT = Path(__file__).parents[2]


def python_for_all() -> str:
    """An interpreter of this version that any user can run: the one that tests run in may lie in somebody's
    home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for each in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(each).exists() and _runs(each):
            return each
    raise AssertionError(f"there is no {version} that {WEBSITE} can run")


def libraries() -> str:
    """PYTHONPATH for it."""
    return os.pathsep.join([str(ROOT / "src"), str(ROOT), sysconfig.get_path("purelib")])


def let_pass(place: Path) -> None:
    """Let everybody through to a directory of the test's own."""
    for path in (place, *place.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o001)


def as_user(command: list[str], user: int = WEBSITE_ID) -> subprocess.CompletedProcess[bytes]:
    """That command, run as that user and nobody else."""
    return subprocess.run(
        command, capture_output=True, check=False, user=user, group=user, extra_groups=(), timeout=120
    )


def _runs(python: str) -> bool:
    """Whether it finds its own library, too: one that cannot may take another's."""
    code = "import sys, os; print(sys.base_prefix, sys.version_info[:2])"
    mine = subprocess.run([python, "-I", "-c", code], capture_output=True, check=False)
    try:
        theirs = as_user([python, "-I", "-c", code])
    except PermissionError:
        return False
    return theirs.returncode == 0 and theirs.stdout == mine.stdout
