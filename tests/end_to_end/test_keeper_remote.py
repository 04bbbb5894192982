"""A build whose keeper runs on another host: every command works, and no key lies on this one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.core.image import Image
from tests.support.checkout import git, make_repository
from tests.support.images import cache_directory
from tests.support.keeper_process import RunningKeeper
from tests.support.keeper_remote import AskingHost, admit, listening_keeper, make_certificates
from tests.support.ports import free_port
from tests.support.traces import left, traces

pytestmark = pytest.mark.slow

VALUE = "canary-of-a-remote-secret"
PLAN = """\
image: base
test:
  with:
    commands: ['test "$TOKEN" = "canary-of-a-remote-secret" && echo "the token is $TOKEN"']
    secrets: [TOKEN]
"""


@dataclass(frozen=True)
class Builds(AskingHost):
    """The host that builds. runtime: memory, where machines may lie."""

    runtime: Path = Path()

    @property
    def settings(self) -> dict[str, str]:
        return super().settings | {
            "SEALOCK_RUNTIME_DIR": str(self.runtime),
            "SEALOCK_IMAGES_DIR": str(cache_directory() / "images"),
            "SEALOCK_IMAGE": "base",
            "SEALOCK_GIT_ALLOW": "127.0.0.1",
        }

    def do(self, *arguments: str, typed: str = "") -> str:
        """Run a command that works."""
        code, out, err = self(*arguments, typed=typed)
        assert code == 0, out + err
        return out


@dataclass(frozen=True)
class Hosts:
    builds: Builds
    keeper: RunningKeeper


@pytest.fixture
def hosts(tmp_path: Path, machine_runtime: Path, base_image: Image) -> Iterator[Hosts]:
    before, port = traces(), free_port()
    make_certificates(tmp_path / "tls")
    builds = Builds(tmp_path / "builds", port, tmp_path / "tls" / "builds", runtime=machine_runtime)
    admit(tmp_path / "keeper", builds.do("keeper", "introduce", "builds"))
    with listening_keeper(tmp_path / "keeper", port, tmp_path / "tls" / "keeper") as keeper:
        yield Hosts(builds, keeper)
    assert left(before) == set()


def test_a_build_its_secrets_its_log_and_its_exposures(hosts: Hosts, tmp_path: Path) -> None:
    builds = hosts.builds
    assert builds.do("keeper", "status").startswith("version ")
    make_repository(tmp_path / "sample", {"sealock.yml": PLAN})
    with GitServer(tmp_path / "server") as server:
        place = server.directory / "sample.git"
        git(tmp_path / "sample", "clone", "-q", "--bare", str(tmp_path / "sample"), str(place))
        url = server.address("sample.git")
        builds.do("project", "add", "sample", url, "--host-key", server.host_key)
        server.authorize(builds.do("project", "key", "sample"), "sample.git")
        builds.do("secrets", "set", "sample", "TOKEN", typed=VALUE)
        out = builds.do("run", url)
    assert "the token is ***" in out
    receipt = re.search(r"^  receipt  (.+)$", out, re.MULTILINE)
    assert receipt
    build = Path(receipt[1]).name[:32]
    assert "the token is ***" in builds.do("logs", build)
    told = json.loads(builds.do("secrets", "exposures", build, "--json"))
    assert [(each["fact"]["name"], each["fact"]["to"]) for each in told] == [
        ("sample", "run@builds"),
        ("TOKEN", "run@builds"),
    ]
    builds.do("keys", "rotate")
    assert "the token is ***" in builds.do("logs", build)
    nothing_of_the_keeper_is_on(builds)
    a_stranger_reads_no_log(builds, build, tmp_path)
    hosts.keeper.end()
    code, _, err = builds("logs", build)
    assert code == 3
    assert "did not answer" in err
    assert "none is started on this host" in err
    nothing_of_the_keeper_is_on(builds)


def nothing_of_the_keeper_is_on(builds: Builds) -> None:
    """Neither keys that open nor a ledger, and no keeper was started."""
    found = {path.name for path in (builds.directory / "data").rglob("*")}
    assert not found & {"key-encryption-key", "sets", "keeper", "releases.jsonl", "keeper.starting"}
    assert not (builds.runtime / "keeper.sock").exists()
    code, _, err = builds("keeper")
    assert code == 2
    assert "this host's keeper is the one at" in err


def a_stranger_reads_no_log(builds: Builds, build: str, place: Path) -> None:
    """Somebody on this host who has the certificate, but not the key its owner signs in with."""
    stolen = replace(builds, directory=place / "stolen")
    data = stolen.directory / "data"
    data.mkdir(parents=True, mode=0o700)
    for name in ("projects", "sealed", "logs"):
        (data / name).symlink_to(builds.directory / "data" / name)
    code, out, err = stolen("logs", build)
    assert (code, out) == (3, "")
    assert "the keeper refused" in err
