"""A step gets the secrets it names, no other step does, and what it prints of them is masked everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.builds.checkout import CheckoutPorts
from sealock.builds.handing import quoted
from sealock.builds.run import RunResult
from sealock.core.build import Outcome
from sealock.core.errors import ExitCode, UsageError
from sealock.core.project import Project, owner_of, ssh_key_name
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Sealed
from sealock.core.source import DirectorySource, GitAddress
from sealock.machines.agent import SshAgents
from sealock.machines.fake import FakeMachines
from sealock.providers.git.address import parse
from sealock.providers.git.dial import GitDialer
from sealock.providers.git.ref import check_ref
from tests.support.checkout import commit, git, make_repository, memory
from tests.support.run import Course

pytestmark = pytest.mark.anyio

ID = "0" * 32
TOKEN = b"tok-'\"\\ $(id) \xc3\xa9 \n second line"
CERTIFICATE = b"-----BEGIN\0\n" + bytes(range(256)) * 4

PLAN = """\
setup:
  - 'test -z "${TOKEN+x}" && X=1'
test:
  before:
    - 'test -z "${TOKEN+x}" && test -z "${SEALOCK_SECRETS+x}"'
  with:
    commands:
      - 'printf %s "$TOKEN" | cksum; cksum < "$SEALOCK_SECRETS/cert.pem"; stat -c %a "$SEALOCK_SECRETS"{,/*}'
      - 'test $X = 1 && echo "$SEALOCK_SECRETS" > ../where && echo "the token is $TOKEN!"'
      - 'printf %s "$TOKEN" | base64 -w0; echo'
    secrets: [TOKEN, cert.pem]
  after:
    - 'test -z "${TOKEN+x}" && test -z "${SEALOCK_SECRETS+x}" && test ! -e "$(cat ../where)"'
    - 'printf "tok-"; sleep 0.1; printf "%s\\n" "$LEFT"'
"""


class Lab:
    """A directory that belongs to a project with secrets, and what builds it."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.source = DirectorySource(root / "sample", "main")
        ports = CheckoutPorts(GitDialer([]), SshAgents(runtime), parse, check_ref)
        self.course = Course(root, runtime, ports, FakeMachines(runtime / "machines"))
        key = Sealed(ssh_key_name(ID, "sample", 1), 1, "none", b"", 0.0)
        self.project = Project(ID, "sample", GitAddress("git", "host", 22, "a"), ("k",), "p", key, 0.0)
        self.vault = self.course.vault

    def write(self, text: str) -> None:
        make_repository(self.source.path, {"sealock.yml": text})

    async def build(self, source: DirectorySource | None = None) -> RunResult:
        return await self.course.run(source or self.source, project=self.project)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with memory() as runtime:
        made = Lab(tmp_path, runtime)
        made.vault.put(ID, "TOKEN", b"an old one")
        made.vault.put(ID, "TOKEN", TOKEN)
        made.vault.put(ID, "cert.pem", CERTIFICATE, Kind.FILE)
        yield made


async def test_the_step_that_names_them_gets_them_and_no_other_does(lab: Lab) -> None:
    lab.write(PLAN)
    result = await lab.build()
    assert (result.record.outcome, result.record.reason) == (Outcome.GREEN, "")
    sums = [line.split()[0] for line in lab.course.output.splitlines()[:2]]
    assert sums == [_cksum(TOKEN), _cksum(CERTIFICATE)]
    assert lab.course.output.splitlines()[2:4] == ["700", "600"]
    assert [step for _, step in lab.vault.leases.opened] == ["test:with", "test:with"]
    assert {name.version for name, _ in lab.vault.leases.opened} == {1, 2}
    assert all(secret._forgotten for secret in lab.vault.leases.given)


async def test_what_is_printed_of_them_is_masked_and_kept_masked(lab: Lab) -> None:
    lab.write(PLAN)
    result = await lab.build()
    assert "the token is ***\n***!\n" in lab.course.output
    assert b64encode(TOKEN).decode() not in lab.course.output
    log = await lab.vault.logs.read(lab.vault.leases.opened[0][0].owner, result.record.id)
    with log:
        lines = b"".join(line.data + b"\n" for line in log.read(1, 1000))
        assert lines.decode() == lab.course.output
        assert log.complete
    (file,) = (lab.source.path.parent / "logs").glob("*.log")
    assert b"the token" not in file.read_bytes()


async def test_the_receipt_names_them_and_the_log_and_holds_no_value(lab: Lab) -> None:
    lab.write(PLAN)
    result = await lab.build()
    told = [(each.step, each.kind, each.name, each.version) for each in result.record.releases]
    assert told == [
        ("test:with", Kind.VARIABLE, "TOKEN", 2),
        ("test:with", Kind.FILE, "cert.pem", 1),
    ]
    (file,) = (lab.source.path.parent / "logs").glob("*.log")
    assert result.record.log is not None
    assert result.record.log.complete
    assert result.record.log.digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert lab.course.is_authentic(result)
    assert result.receipt is not None
    receipt = b"".join(
        b64decode(json.loads(line)["payload"]) for line in result.receipt.envelope.splitlines()
    )
    assert b'"project":"sample"' in receipt
    assert b'"name":"TOKEN"' in receipt
    for canary in (b"second line", b"an old one", TOKEN[:8]):
        assert canary not in receipt


async def test_a_step_that_was_refused_is_in_no_receipt(lab: Lab) -> None:
    lab.write(PLAN)
    lab.vault.leases.values.clear()
    result = await lab.build()
    assert result.record.releases == []
    assert result.record.log is not None
    assert lab.course.is_authentic(result)


async def test_a_log_that_could_not_be_kept_is_named_as_far_as_it_was(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full in the middle of a chunk: half of it is written."""
    write, calls = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal calls
        if Path(f"/proc/self/fd/{descriptor}").resolve().suffix != ".log":
            return write(descriptor, data)
        calls += 1
        return write(descriptor, data[: len(data) // 2] if calls == 3 else data)

    monkeypatch.setattr("sealock.livelog.write.os.write", full)
    lab.write("test:\n  a: ['for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.3; done']\n")
    result = await lab.build()
    assert result.record.outcome is Outcome.ERROR
    (file,) = (lab.source.path.parent / "logs").glob("*.log")
    log = result.record.log
    assert log is not None
    assert not log.complete
    assert log.digest == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert lab.course.is_authentic(result)
    with await lab.vault.logs.read(owner_of(ID), result.record.id) as reader:
        assert reader.summary() == log


async def test_the_lease_says_who_may_have_what(lab: Lab) -> None:
    lab.write(PLAN)
    result = await lab.build()
    (terms,) = lab.vault.leases.issued
    assert (terms.build, terms.attempt, terms.project) == (result.record.id, 1, ID)
    assert (terms.ssh_key, terms.origin, terms.found_on) == (None, None, "main")
    assert [(step.name, step.pipeline, len(step.secrets)) for step in terms.steps] == [
        ("setup", "", 0),
        ("test:before", "before", 0),
        ("test:with", "with", 2),
        ("test:after", "after", 0),
    ]
    assert (terms.branch, terms.protected, terms.fork) == ("main", True, False)
    assert terms.plan_digest == result.record.plan_digest


async def test_other_branches_and_working_trees_are_not_protected(lab: Lab) -> None:
    lab.write(PLAN)
    git(lab.source.path, "branch", "topic")
    await lab.build(DirectorySource(lab.source.path, "topic"))
    await lab.build(DirectorySource(lab.source.path, working_tree=True))
    told = [(terms.branch, terms.found_on, terms.protected) for terms in lab.vault.leases.issued]
    assert told == [("topic", "topic", False), (None, None, False)]


async def test_a_directory_gets_nothing_that_is_for_the_repository_alone(lab: Lab) -> None:
    lab.write(PLAN)
    for name, kind in (("TOKEN", Kind.VARIABLE), ("cert.pem", Kind.FILE)):
        lab.vault.put(ID, name, b"of the repository", kind, Scope(protected_only=False))
    result = await lab.build()
    assert isinstance(result.error, UsageError) and "--directories" in result.error.resolution
    assert lab.vault.leases.opened == []


async def test_a_build_that_names_none_asks_for_no_lease(lab: Lab) -> None:
    lab.write("test: [echo hi]\n")
    assert (await lab.build()).exit_code == 0
    assert lab.vault.leases.issued == []


async def test_an_unknown_secret_starts_nothing(lab: Lab) -> None:
    lab.write("test:\n  a:\n    commands: [x]\n    secrets: [OTHER]\n")
    with pytest.raises(UsageError, match="names the secret OTHER, and sample has none"):
        await lab.build()
    assert lab.course.machines.records == []


async def test_a_build_of_no_project_has_no_secrets_and_no_log(lab: Lab) -> None:
    lab.write(PLAN)
    with pytest.raises(UsageError, match="belongs to no project"):
        await lab.course.run(lab.source)
    commit(lab.source.path, {"sealock.yml": "test: [echo hi]\n"})
    assert (await lab.course.run(lab.source)).exit_code == 0
    assert lab.vault.logs.files.all() == []


async def test_a_refusal_ends_the_build_before_the_step_runs(lab: Lab) -> None:
    lab.write(PLAN)
    lab.vault.leases.values.clear()
    result = await lab.build()
    assert result.exit_code == ExitCode.USAGE
    assert "`with` may not have every secret it names: TOKEN, cert.pem" in result.record.reason
    assert len(lab.course.commands) == 2
    assert ("test:with", False) in lab.course.phases


@pytest.mark.parametrize(
    "trick",
    [
        "set -x",
        "set -e; set -o pipefail",
        "trap 'echo trapped' DEBUG",
        "exec 2>&-",
        "set -u; set -f",
        "shopt -s extdebug",
    ],
)
async def test_whatever_the_shell_was_set_to_the_secret_arrives_and_is_not_shown(
    trick: str, lab: Lab
) -> None:
    secret = '\n  b:\n    commands: ["printf %s \\"$TOKEN\\" | cksum"]\n    secrets: [TOKEN]\n'
    lab.write(f"test:\n  a: [{trick!r}]{secret}".replace("'trap", '"trap').replace("DEBUG'", 'DEBUG"'))
    result = await lab.build()
    assert result.exit_code == 0, result.record.reason
    assert _cksum(TOKEN) in lab.course.output
    assert "second line" not in lab.course.output


async def test_a_step_that_ends_its_shell_takes_its_files_with_it(lab: Lab) -> None:
    lab.write(
        "test:\n  a:\n    commands: ['echo $SEALOCK_SECRETS > /dev/shm/sealock-test-where; exit 0']\n"
        "    secrets: [cert.pem]\n"
    )
    where = Path("/dev/shm/sealock-test-where")
    try:
        assert (await lab.build()).exit_code == 0
        assert not Path(where.read_text().strip()).exists()
    finally:
        where.unlink(missing_ok=True)


def test_every_byte_is_quoted() -> None:
    assert quoted(b"a'\n\xff") == "$'\\x61\\x27\\x0a\\xff'"


def _cksum(value: bytes) -> str:
    return subprocess.run(["cksum"], input=value, capture_output=True, check=True).stdout.split()[0].decode()
