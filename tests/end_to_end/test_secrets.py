"""A project's secrets on their way through real builds, and a search for them everywhere they must not be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.core.image import Image
from sealock.core.scope import disclose
from sealock.core.sealed import Kind, Owner, Sealed
from sealock.store.projects import ProjectFiles
from sealock.store.sealed import SealedFiles
from tests.support.checkout import git, make_repository
from tests.support.images import cache_directory
from tests.support.keeper_process import key_sets_of
from tests.support.processes import standing
from tests.support.search import found, places
from tests.support.traces import left, traces

pytestmark = pytest.mark.slow

VARIABLE = b"canary-of-a-variable-4f'\"$ \n second line of it"
FILE = b"\x00canary-of-a-file-\xff\n" + bytes(range(200))

PLAN = """\
image: base
setup:
  - 'test -z "${TOKEN+x}"'
test:
  with:
    commands:
      - 'printf %s "$TOKEN" | cksum; cksum < "$SEALOCK_SECRETS/service.bin"'
      - 'echo "the token is $TOKEN"; printf %s "$TOKEN" | base64 -w0; echo; cat $SEALOCK_SECRETS/service.bin'
      - 'findmnt -no FSTYPE -T "$SEALOCK_SECRETS"; stat -c %a "$SEALOCK_SECRETS"; echo now; sleep 6'
    secrets: [TOKEN, service.bin]
  after:
    - 'test -z "${TOKEN+x}" && ls -A /dev/shm'
"""


class Installation:
    """Sealock with a data directory of its own and a private Git server."""

    def __init__(self, root: Path, runtime: Path, server: GitServer) -> None:
        self.root, self.data, self.server = root, root / "data", server
        self.outputs: list[tuple[str, bytes]] = []
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")} | {
            "SEALOCK_CONFIG": str(root / "sealock.toml"),
        }
        (root / "sealock.toml").write_text(
            f'data_dir = "{self.data}"\nimages_dir = "{cache_directory()}/images"\n'
            f'runtime_dir = "{runtime}"\ngit_allow = ["127.0.0.1"]\nimage = "base"\n'
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "sealock", *arguments],
            env=self.env,
            cwd=self.root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments: str, typed: bytes = b"", code: int = 0) -> str:
        with self.start(*arguments) as process:
            out, err = process.communicate(typed, timeout=400)
        self.outputs.append((" ".join(arguments), out + err))
        assert process.returncode == code, (out + err).decode(errors="replace")
        return out.decode(errors="replace")

    def everything(self) -> Iterator[tuple[str, bytes]]:
        yield from places(self.data)
        yield from self.outputs

    def opened(self) -> list[bytes]:
        """The project's key and every log's key, opened here as only the keeper may, to search for them."""
        sets = key_sets_of(self.root)
        (project,) = ProjectFiles(self.data / "projects").all()
        sealed = list(SealedFiles(self.data / "sealed").sealed_of(Owner("local", project.id)))
        assert isinstance(project.sealed_key, Sealed)
        sealed = [each for each in sealed if each.name.kind is Kind.LOG_KEY] + [project.sealed_key]
        values = []
        for each in sealed:
            with sets.open(each) as value:
                scoped = each.name.kind is Kind.SSH_KEY
                values.append((disclose(value)[1] if scoped else value).reveal())
        # Of the SSH key as text, the lines that are the key itself.
        lines = [line for line in values.pop().split(b"\n") if len(line) > 20 and not line.startswith(b"--")]
        return [*values, *lines[2:]]


@pytest.fixture
def sealock(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Installation]:
    before = traces()
    with GitServer(tmp_path / "server") as server:
        yield Installation(tmp_path, machine_runtime, server)
    assert left(before) == set()


def test_no_secret_is_anywhere_but_in_its_step(sealock: Installation) -> None:
    source, file = sealock.root / "sample", sealock.root / "service.bin"
    make_repository(source, {"sealock.yml": PLAN})
    git(source, "clone", "-q", "--bare", str(source), str(sealock.server.directory / "sample.git"))
    url = sealock.server.address("sample.git")
    sealock("project", "add", "sample", url, "--host-key", sealock.server.host_key)
    sealock.server.authorize(sealock("project", "key", "sample"), "sample.git")
    sealock("secrets", "set", "sample", "TOKEN", typed=VARIABLE)
    file.write_bytes(FILE)
    sealock("secrets", "set", "sample", "service.bin", "--as-file", "--file", str(file))
    file.unlink()
    canaries = [VARIABLE, FILE]
    assert found(canaries, sealock.everything()) == []

    first = build(sealock, url, canaries)
    out = sealock("logs", first)
    assert "the token is ***\n***\n***\n" in out
    assert found([*canaries, *sealock.opened()], sealock.everything()) == []

    sealock("keys", "rotate")
    assert found([*canaries, *sealock.opened()], sealock.everything()) == []
    assert "the token is ***" in sealock("logs", first)
    second = build(sealock, url, canaries)
    assert found([*canaries, *sealock.opened()], sealock.everything()) == []
    for number in (first, second):
        told = json.loads(sealock("secrets", "exposures", number, "--json"))
        assert [(each["fact"]["name"], each["fact"]["step"]) for each in told] == [
            ("sample", ""),
            ("TOKEN", "test:with"),
            ("service.bin", "test:with"),
        ]


def build(sealock: Installation, url: str, canaries: list[bytes]) -> str:
    """Build it, with a search in the middle; returns the build's id."""
    with sealock.start("run", url) as process:
        assert process.stdout is not None
        said = b""
        while b"\nnow" not in said:
            line = process.stdout.readline()
            assert line, said + process.communicate()[1]
            said += line
        assert found([*canaries, *sealock.opened()], sealock.everything()) == [], "while it runs"
        rest, err = process.communicate(timeout=200)
    sealock.outputs.append(("run", said + rest + err))
    text = (said + rest).decode(errors="replace")
    assert process.returncode == 0, text + err.decode()
    assert f"{cksum(VARIABLE)} " in text
    assert f"{cksum(FILE)} " in text
    assert "tmpfs\n700\n" in text
    receipt = re.search(r"^  receipt  (.+)$", text, re.MULTILINE)
    assert receipt
    sealock("receipt", "verify", receipt[1])
    return Path(receipt[1]).name[:32]


def cksum(value: bytes) -> str:
    return subprocess.run(["cksum"], input=value, capture_output=True, check=True).stdout.split()[0].decode()


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before" + b64encode(b"x" + VARIABLE + b"y") + b"after")
    value = VARIABLE.split(b"'")[0]
    with standing({"A": value.decode()}) as process:
        where = found([VARIABLE, value], places(tmp_path))
    assert where == [str(tmp_path / "file"), f"/proc/{process.pid}/environ"]


def test_what_is_for_protected_branches_or_for_no_directory_is_refused_elsewhere(
    sealock: Installation,
) -> None:
    source = sealock.root / "sample"
    make_repository(source, {"sealock.yml": PLAN})
    git(source, "branch", "topic")
    sealock("project", "add", "sample", "git@github.com:a/b.git")
    also = ("--directories",)
    for options, branch, why in [
        (also, "topic", b"it is for protected branches"),
        ((), "main", b"it is not for builds of a directory"),
    ]:
        sealock("secrets", "set", "sample", "TOKEN", *options, typed=VARIABLE)
        sealock("secrets", "set", "sample", "service.bin", "--as-file", *options, typed=FILE)
        with sealock.start("run", "sample", "--ref", branch, "--project", "sample") as process:
            out, err = process.communicate(timeout=200)
        assert process.returncode == 2, out + err
        assert b"may not have every secret it names" in err
        assert why in err
        assert b"cksum" not in out
