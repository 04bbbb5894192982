"""What a worker says of a build is held against what is known: each condition has a lie it alone finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sealock.builds.reported import (
    CLOCKS,
    CONDITIONS,
    MOST_SHOWN_STEPS,
    Reported,
    fingerprint,
    progress_fits,
    record_fits,
)
from sealock.core.build import BuildRecord, CommandResult, Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, PhaseView, Progress, StepView, Work
from sealock.core.decision import Denied
from sealock.core.log import LogSummary
from sealock.core.machine import MachineRecord, MachineState, NetworkPolicy, Origin
from sealock.core.project import Project, ssh_key_name
from sealock.core.project_settings import ProjectSettings
from sealock.core.sealed import Sealed
from sealock.core.source import GitAddress

RUN, COMMIT, NOW = "a" * 32, "c" * 40, 10_000.0
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk4gG6sVpUKe8DvVkqaEhKTWxXXWyBHLhUtbVUdTHo4"
LOG = "sha256:" + "0" * 64


def work() -> Work:
    view = BuildView(
        id=RUN, account="local", project="1" * 32, project_name="shop", number=1, state=BuildState.RUNNING,
        outcome=None, reason="", trigger=Trigger.PUSH, ref="refs/heads/main", branch="main", commit=COMMIT,
        message="", author="", person=None, pipelines=("unit",), restart_of=None, attempt=1, protected=True,
        from_fork=False, created_at=9000.0, started_at=9500.0, ended_at=None,
    )  # fmt: skip
    key = Sealed(ssh_key_name("1" * 32, "shop", 3), 1, "none", b"", 1.0)
    address = GitAddress("git", "git.example.org", 22, "shop.git")
    return Work(view, Project("1" * 32, "shop", address, ("k",), PUBLIC, key, 1.0), ProjectSettings())


def record(**fields: Any) -> BuildRecord:
    machine = MachineRecord("m", "sha256:0", Origin.CLONE, "kvm", NetworkPolicy.NONE, "SHA256:0")
    for state in MachineState:
        machine.enter(state, NOW)
    made: dict[str, Any] = {
        "id": RUN, "source": "git@git.example.org:shop.git", "ref": "refs/heads/main", "commit": COMMIT,
        "working_tree": False, "pipelines": ("unit",), "image_name": "python", "image_digest": "sha256:0",
        "image_content": "sha256:0", "plan_digest": "sha256:0", "started_at": 9500.0, "machine": machine,
        "project": "shop", "key_fingerprint": fingerprint(PUBLIC), "key_version": 3,
        "commands": [CommandResult("unit", "make", 0, 1.0)], "log": LogSummary(RUN, 1, 1, 1, LOG, True),
        "outcome": Outcome.GREEN, "ended_at": 9900.0,
    }  # fmt: skip
    return BuildRecord(**(made | fields))


def reported(made: BuildRecord, outcome: Outcome = Outcome.GREEN) -> Reported:
    return Reported(made, work(), RUN, outcome, NOW, LOG)


def test_a_true_record_fits() -> None:
    assert record_fits(reported(record()))
    assert record_fits(reported(record(log=None)))
    red = [CommandResult("unit", "make", 2, 1.0)]
    assert record_fits(reported(record(commands=red, outcome=Outcome.RED), Outcome.RED))


def _starting() -> MachineRecord:
    machine = MachineRecord("m", "sha256:0", Origin.CLONE, "kvm", NetworkPolicy.NONE, "SHA256:0")
    machine.enter(MachineState.STARTING, NOW)
    return machine


LIES: list[tuple[str, dict[str, Any]]] = [
    ("it is of another build or attempt", {"id": "b" * 32}),
    ("it is of another project or repository", {"project": "other"}),
    ("it is of another project or repository", {"source": "git@git.example.org:other.git"}),
    ("it is of another project or repository", {"working_tree": True}),
    ("it is of another branch or tag", {"ref": "refs/heads/release"}),
    ("it names a key that is not the project's", {"key_version": 4}),
    ("it names a key that is not the project's", {"key_version": None}),
    ("it names a key that is not the project's", {"key_fingerprint": "SHA256:other"}),
    ("it ran pipelines nobody asked for", {"pipelines": ("unit", "deploy")}),
    ("its times are not those of the build", {"started_at": 9500.0 - CLOCKS - 1}),
    ("its times are not those of the build", {"ended_at": NOW + CLOCKS + 1}),
    ("its times are not those of the build", {"ended_at": 9499.0}),
    ("its times are not those of the build", {"ended_at": None}),
    ("its machine is not gone", {"machine": None}),
    ("its machine is not gone", {"machine": _starting()}),
    ("it came out otherwise", {"outcome": Outcome.RED}),
    ("it is green, and a command failed", {"commands": [CommandResult("unit", "make", 1, 1.0)]}),
    ("its log is not the one that came", {"log": LogSummary("b" * 32, 1, 1, 1, LOG, True)}),
    ("its log is not the one that came", {"log": LogSummary(RUN, 1, 1, 1, "sha256:" + "1" * 64, True)}),
    ("it is of another commit", {"commit": "d" * 40}),
    ("that is no commit", {"commit": "main"}),
]


@pytest.mark.parametrize(("why", "lie"), LIES)
def test_a_lie_is_found(why: str, lie: dict[str, Any]) -> None:
    assert record_fits(reported(record(**lie))) == Denied(why)


def test_every_condition_has_its_lie() -> None:
    assert set(CONDITIONS) <= {why for why, _ in LIES}


def steps(count: int) -> tuple[StepView, ...]:
    return tuple(StepView(number, "unit", "test", StepState.WAITING) for number in range(1, count + 1))


def test_progress_fits() -> None:
    said = Progress((PhaseView("machine", 1.0),), steps(2), COMMIT, "Add tea", "Ada", LOG)
    assert progress_fits(said, COMMIT)
    assert progress_fits(said, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: replace(one, steps=steps(MOST_SHOWN_STEPS + 1)),
        lambda one: replace(one, phases=one.phases * 101),
        lambda one: replace(one, steps=steps(3)[1:]),
        lambda one: replace(one, message="x" * 4001),
        lambda one: replace(one, phases=(PhaseView("x" * 301, 1.0),)),
        lambda one: replace(one, plan_digest="sha256:0"),
        lambda one: replace(one, commit="d" * 40),
        lambda one: replace(one, commit="HEAD"),
    ],
)
def test_progress_that_cannot_be_is_not_kept(change: Callable[[Progress], Progress]) -> None:
    said = Progress((PhaseView("machine", 1.0),), steps(2), COMMIT, "Add tea", "Ada", LOG)
    assert not progress_fits(change(said), COMMIT)
