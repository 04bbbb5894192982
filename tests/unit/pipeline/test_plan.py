"""A configuration and what was asked for on the command line make one plan."""

from __future__ import annotations

import pytest

from sealock.core.errors import ExitCode, UsageError
from sealock.core.machine import NetworkPolicy
from sealock.core.plan import Plan, Step, Timeouts
from sealock.pipeline.configuration import read
from sealock.pipeline.plan import plan

THREE = read(b"setup: [prepare]\ntest: {unit: [a, b], lint: c, slow-tests: d}\n")


def names(made: Plan) -> list[str]:
    return [step.name for step in made.steps]


def test_a_plan_holds_all_the_configuration_says() -> None:
    configuration = read(
        b"image: base\nsetup: prepare\ntest: [a, b]\nenvironment: {A: b}\n"
        b"timeouts: {silence: 1m, total: 2m}\nmachine: {memory: 2 GiB, cpus: 2, disk: 1 GiB}\n"
        b"network: none\ncheckout: {depth: 1, submodules: false}\n"
    )
    assert plan(configuration) == Plan(
        image="base",
        steps=(Step("setup", "setup", ("prepare",)), Step("test", "test", ("a", "b"))),
        environment={"A": "b"},
        timeouts=Timeouts(silence=60.0, total=120.0),
        memory_mib=2048,
        cpus=2,
        disk_mib=1024,
        network=NetworkPolicy.NONE,
        depth=1,
        submodules=False,
    )


def test_the_smallest_configuration_makes_the_plan_of_defaults() -> None:
    assert plan(read(b"test: a")) == Plan(image="python", steps=(Step("test", "test", ("a",)),))


def test_all_pipelines_run_unless_some_are_named() -> None:
    assert names(plan(THREE)) == ["setup", "unit", "lint", "slow-tests"]
    assert names(plan(THREE, ["lint"])) == ["setup", "lint"]
    assert names(plan(THREE, ["lint", "unit", "lint"])) == ["setup", "lint", "unit"]


def test_an_image_that_is_asked_for_takes_the_place_of_the_configured_one() -> None:
    assert plan(THREE).image == "python"
    assert plan(THREE, image="base").image == "base"
    assert plan(THREE, image="sha256:" + "f" * 64).image == "sha256:" + "f" * 64


def test_the_installation_s_default_image_stands_in_for_a_configuration_that_names_none() -> None:
    assert plan(THREE, default_image="base").image == "base"
    assert plan(THREE, image="other", default_image="base").image == "other"
    # The file's own word counts, also where it names the usual default.
    assert plan(read(b"image: python\ntest: a\n"), default_image="base").image == "python"


@pytest.mark.parametrize("image", ["Base", "../base", "-x", "a b", "a\n", "sha256:abc", "x" * 64])
def test_an_image_that_cannot_be_one_is_refused(image: str) -> None:
    with pytest.raises(UsageError, match="cannot be an image's name or digest") as caught:
        plan(THREE, image=image)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "\n" not in caught.value.brief


@pytest.mark.parametrize(
    ("name", "brief"),
    [
        ("slow_tests", "there is no pipeline `slow_tests`; did you mean `slow-tests`?"),
        ("deploy", "there is no pipeline `deploy`"),
        ("setup", "there is no pipeline `setup`"),
        ("", "there is no pipeline ``"),
        ("x\x1b[0m", "there is no pipeline `x\\x1b[0m`"),
    ],
)
def test_an_unknown_pipeline_is_refused_with_the_ones_there_are(name: str, brief: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(THREE, ["unit", name])
    assert caught.value.brief == brief
    assert caught.value.details == "The pipelines are unit, lint, slow-tests."
    assert caught.value.exit_code == ExitCode.USAGE
