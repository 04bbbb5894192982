"""The port `core.plan.PlanReader` is kept."""

from __future__ import annotations

import textwrap

import pytest

from sealock.core.errors import ConfigError, UsageError
from sealock.core.plan import PlanReader
from sealock.pipeline.reader import read_plan

reader: PlanReader = read_plan


def test_bytes_become_a_plan() -> None:
    made = reader(b"test: {unit: a, lint: b}\n", pipelines=["lint"], image="base")
    assert made.image == "base"
    assert [step.name for step in made.steps] == ["lint"]


def test_an_error_names_the_file_it_was_told() -> None:
    with pytest.raises(ConfigError, match=r"^ci/sealock\.yml:1:1: the file is empty"):
        reader(b"", file="ci/sealock.yml")


def test_a_missing_file_is_told_with_an_example_that_works() -> None:
    with pytest.raises(UsageError) as caught:
        reader(None)
    assert caught.value.brief == "there is no sealock.yml in the repository"
    example = textwrap.dedent(caught.value.resolution.partition("\n")[2])
    assert reader(example.encode()).steps
