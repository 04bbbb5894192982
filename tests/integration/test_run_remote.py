"""Builds out of a private Git server: OpenSSH, ssh-agent and receipts are real, the machine is a fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealock.core.build import Outcome
from sealock.core.errors import ExitCode, UsageError
from sealock.core.machine import MachineState, NetworkPolicy
from sealock.core.project import ssh_key_name
from sealock.core.scope import Scope
from sealock.core.source import RemoteSource
from sealock.machines.fake import FakeMachines
from tests.support.checkout import Bench, bench, commit, git, make_repository
from tests.support.run import Course

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

GREEN = "test:\n  unit:\n    - cat hello\n    - ssh-add -l; test -z $SSH_AUTH_SOCK\n"


class Lab:
    """A project on a Git server, and what builds it."""

    def __init__(self, made: Bench, root: Path) -> None:
        self.bench, self.root = made, root
        self.course = Course(root, made.runtime, made.ports(), FakeMachines(made.root))
        self.course.projects.add(made.project())
        self.course.vault.leases.values[ssh_key_name("0" * 32, "sample", 1)] = made.key.private
        self.source = RemoteSource(made.project().address)

    def publish(self, text: str, name: str = "sample.git") -> str:
        made = make_repository(self.root / "source", {"sealock.yml": text, "hello": "hello\n"})
        self.bench.publish(name, self.root / "source")
        return made


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with bench(tmp_path) as made:
        yield Lab(made, tmp_path)


async def test_a_green_build_with_the_projects_own_key(lab: Lab) -> None:
    wanted = lab.publish(GREEN)
    result = await lab.course.run(lab.source)
    record = result.record
    assert (record.outcome, record.reason) == (Outcome.GREEN, "")
    assert lab.course.output.startswith("hello\n")
    assert (record.commit, record.project, record.key_version) == (wanted, "sample", 1)
    assert record.key_fingerprint is not None
    assert record.key_fingerprint.startswith("SHA256:")
    assert record.key_opened_at is not None
    assert record.key_removed_at is not None
    assert record.first_command_at is not None
    assert record.key_opened_at < record.key_removed_at < record.first_command_at
    assert len(lab.course.machines.records) == 1
    assert lab.course.is_authentic(result)


SECRET = "test:\n  unit:\n    commands: ['test -n \"$TOKEN\"']\n    secrets: [TOKEN]\n"


@pytest.mark.parametrize(("ref", "found_on"), [(None, "main"), ("main", "main"), ("refs/tags/v1", None)])
async def test_its_leases_say_what_it_has_fetched(lab: Lab, ref: str | None, found_on: str | None) -> None:
    make_repository(lab.root / "source", {"sealock.yml": SECRET})
    git(lab.root / "source", "tag", "v1")
    lab.bench.publish("sample.git", lab.root / "source")
    project = lab.bench.project()
    lab.course.vault.put(project.id, "TOKEN", b"hunter22", scope=Scope(protected_only=False))
    assert (await lab.course.run(RemoteSource(project.address, ref))).record.outcome is Outcome.GREEN
    fetch, steps = lab.course.vault.leases.issued
    assert (fetch.origin, fetch.found_on) == (project.origin, None)
    assert (steps.origin, steps.found_on, steps.branch) == (project.origin, found_on, found_on)


async def test_a_plan_that_asks_for_another_machine_gets_it(lab: Lab) -> None:
    lab.publish(GREEN + "image: node\nnetwork: none\n")
    result = await lab.course.run(lab.source)
    first, second = lab.course.machines.records
    assert (first.network, second.network) == (NetworkPolicy.INTERNET, NetworkPolicy.NONE)
    assert first.state is MachineState.GONE
    assert result.record.machine is second
    assert result.record.image_name == "node"
    assert lab.course.notices == ["sealock.yml asks for another machine: image node; network none"]
    assert lab.course.output.startswith("hello\n")
    assert lab.course.is_authentic(result)
    times = [first.states[-1][1], second.states[0][1]]
    assert times == sorted(times), "the first machine is gone before the second is started"


async def test_git_only_is_about_the_projects_own_server(lab: Lab) -> None:
    lab.publish(GREEN + "network: git-only\n")
    await lab.course.run(lab.source)
    first, second = lab.course.machines.specs
    assert first.git_server is None
    assert second.git_server == (lab.source.address.host, lab.source.address.port)


async def test_submodules_are_fetched_when_there_are_any(lab: Lab) -> None:
    make_repository(lab.root / "part", {"inner": "from the submodule\n"})
    lab.bench.publish("part.git", lab.root / "part")
    lab.bench.let_in()
    source = lab.root / "source"
    make_repository(source, {"sealock.yml": "test:\n  unit:\n    - cat part/inner\n"})
    git(source, "submodule", "--quiet", "add", str(lab.root / "part"), "part")
    git(source, "config", "-f", ".gitmodules", "submodule.part.url", "../part.git")
    commit(source, {})
    lab.bench.publish("sample.git", source)
    result = await lab.course.run(lab.source)
    assert (result.record.outcome, result.record.reason) == (Outcome.GREEN, "")
    assert lab.course.output == "from the submodule\n"
    assert lab.course.notices[0] == "sealock.yml asks for another machine: depth 50, with submodules"


async def test_a_broken_plan_is_a_usage_error_with_a_receipt(lab: Lab) -> None:
    lab.publish("test:\n  unit: 3\n")
    result = await lab.course.run(lab.source)
    assert result.record.outcome is Outcome.ERROR
    assert result.exit_code == ExitCode.USAGE
    assert "sealock.yml:2:" in result.record.reason
    assert lab.course.commands == []
    assert lab.course.is_authentic(result)


async def test_a_key_that_is_not_accepted_is_told_and_its_opening_is_in_the_receipt(lab: Lab) -> None:
    lab.publish(GREEN)
    (lab.bench.server.directory / "authorized_keys").write_text("")
    result = await lab.course.run(lab.source)
    assert result.record.outcome is Outcome.ERROR
    assert result.exit_code == ExitCode.USAGE
    assert result.record.key_opened_at is not None
    assert result.record.key_removed_at is not None
    assert lab.course.phases == [("machine", True), ("fetch", False), ("end", True)]
    assert lab.course.is_authentic(result)


@pytest.mark.parametrize("ref", ["nowhere", "-x", "--upload-pack=id"])
async def test_a_ref_that_is_not_there_or_not_one_is_a_usage_error(ref: str, lab: Lab) -> None:
    lab.publish(GREEN)
    result = await lab.course.run(RemoteSource(lab.source.address, ref))
    assert result.exit_code == ExitCode.USAGE
    assert lab.course.commands == []


async def test_an_address_without_a_project_starts_no_machine(lab: Lab) -> None:
    lab.course.projects.kept.clear()
    with pytest.raises(UsageError, match="No project builds"):
        await lab.course.run(lab.source)
    assert lab.course.machines.records == []
