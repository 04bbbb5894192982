"""A canary that only a build knows is searched for on every disk Sealock could have written it to.

The build makes it, so it stands in no file of the repository; it is written to files, to the
environment, to the log and to a process's arguments. Afterwards it may be in what the watcher was shown
and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.core.mounts import is_on_tmpfs
from tests.support.checkout import git, make_repository
from tests.support.images import cache_directory
from tests.support.installation import Installation

pytestmark = pytest.mark.slow

PLAN = """\
image: base
network: none
test:
- export CANARY=$(printf %s {seed} | sha256sum | cut -c1-64)
- echo "$CANARY" | tee in-a-file /tmp/in-a-file /dev/shm/in-a-file | sudo tee /root/in-a-file
- yes "$CANARY" | head -c 20M >large; sync
- bash -c 'sleep 0.1; exit 3' "$CANARY"
"""


def searched(installation: Installation) -> list[Path]:
    """Every place on a disk that Sealock, its children or their libraries could write to."""
    home = Path.home()
    places = [
        *(installation.root, cache_directory() / "images", Path("/tmp"), Path("/var/tmp"), Path("/var/log")),
        *(Path("/var/lib/sealock"), Path("/run"), Path("/dev/shm"), home / ".cache", home / ".local"),
        *(Path("/var/lib/systemd/coredump"), Path("/var/crash")),
    ]
    return [place for place in places if place.exists()]


def files_written_since(moment: float, places: list[Path]) -> Iterator[Path]:
    for place in places:
        for directory, _, names in os.walk(place):
            for name in names:
                path = Path(directory) / name
                try:
                    about = path.lstat()
                except OSError:
                    continue  # somebody else's, gone already
                if path.is_file() and not path.is_symlink() and max(about.st_mtime, about.st_ctime) >= moment:
                    yield path


def holding(needle: bytes, paths: Iterator[Path]) -> list[Path]:
    found = []
    for path in paths:
        try:
            with path.open("rb") as file:
                overlap = b""
                while piece := file.read(1 << 22):
                    if needle in overlap + piece:
                        found.append(path)
                        break
                    overlap = piece[-len(needle) :]
        except OSError:
            continue
    return found


def build(sealock: Installation, source: str) -> tuple[str, float]:
    """Run a build that makes a canary; the canary, and when it began."""
    begun = time.time() - 1
    code, out, err = sealock("run", source)
    assert code == 1, out + err
    assert "disk bytes written: 0" in out
    found = re.search(r"^[0-9a-f]{64}$", out, re.MULTILINE)
    assert found, out
    return found[0], begun


@pytest.mark.parametrize("kind", ["directory", "working tree", "url"])
def test_nothing_of_a_build_is_on_any_disk(sealock: Installation, tmp_path: Path, kind: str) -> None:
    seed = secrets.token_hex(16)
    make_repository(sealock.source, {"sealock.yml": PLAN.format(seed=seed)})
    arguments = {"directory": "sample", "working tree": "sample"}
    with GitServer(tmp_path / "server") as server:
        if kind == "url":
            git(
                sealock.source, "clone", "-q", "--bare", str(sealock.source), f"{server.directory}/sample.git"
            )
            arguments["url"] = server.address("sample.git")
            added = sealock("project", "add", "sample", arguments["url"], "--host-key", server.host_key)
            assert added[0] == 0, added
            server.authorize(sealock("project", "key", "sample")[1], "sample.git")
        canary, begun = build(sealock, arguments[kind])
    assert canary == hashlib.sha256(seed.encode()).hexdigest()
    written = list(files_written_since(begun, searched(sealock)))
    assert any("receipts" in path.parts for path in written), "what was written is not even looked at"
    assert holding(canary.encode(), iter(written)) == []


def test_a_canary_on_a_disk_is_found(sealock: Installation) -> None:
    """The search itself."""
    begun = time.time() - 1
    needle = secrets.token_hex(32).encode()
    (sealock.root / "deep/down").mkdir(parents=True)
    place = sealock.root / "deep/down/file"
    place.write_bytes(b"x" * ((1 << 22) - 10) + needle + b"x" * 100)
    assert set(holding(needle, files_written_since(begun, searched(sealock)))) == {place}


def test_the_working_tree_lies_in_memory_while_it_is_built(sealock: Installation) -> None:
    """Git needs its objects somewhere; that is on tmpfs, and gone with the build."""
    make_repository(sealock.source, {"sealock.yml": "image: base\nnetwork: none\ntest: [sleep 60]\n"})
    canary = secrets.token_hex(32)
    (sealock.source / "untracked").write_text(canary)
    objects = set((sealock.source / ".git").rglob("*"))
    with sealock.start("run", str(sealock.source), "--working-tree") as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "sleep 60" in line)
        (snapshot,) = Path(sealock_runtime(sealock)).glob("snapshot-*")
        assert is_on_tmpfs(snapshot)
        assert snapshot.stat().st_mode & 0o077 == 0
        process.terminate()
        process.communicate(timeout=60)
    assert set((sealock.source / ".git").rglob("*")) == objects
    assert not snapshot.exists()


def sealock_runtime(sealock: Installation) -> str:
    """Where the installation keeps what must stay in memory."""
    return str(tomllib.loads(Path(sealock.env["SEALOCK_CONFIG"]).read_text())["runtime_dir"])
