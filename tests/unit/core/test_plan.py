"""A plan's digest stands in signed receipts: it must never change for the same plan, and for no two
plans be the same."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.machine import NetworkPolicy
from sealock.core.plan import Plan, Step, Timeouts

GOLDEN = Plan(
    image="python",
    steps=(
        Step("setup", "setup", ("pip install .",)),
        Step("test", "unit", ("pytest", "for each in 1 2; do\n  echo é\ndone")),
    ),
    environment={"B": "2", "A": "", "Ü": '"\\'},
    timeouts=Timeouts(silence=90.0, total=1800.0),
    memory_mib=2048,
    cpus=2,
    disk_mib=1536,
    network=NetworkPolicy.GIT_ONLY,
    depth=0,
    submodules=False,
)
GOLDEN_DIGEST = "sha256:67b06ce94e504109e1d9ddfcd14b40635f0b0710704d00aaeb4cd052243fb9b8"

patient = settings(deadline=None, max_examples=100)

# Anything UTF-8 can say.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
steps = st.builds(Step, texts, texts, st.lists(texts, max_size=3).map(tuple))
plans = st.builds(
    Plan,
    image=texts,
    steps=st.lists(steps, max_size=3).map(tuple),
    environment=st.dictionaries(texts, texts, max_size=3),
    timeouts=st.builds(Timeouts, st.floats(0, 1e6), st.floats(0, 1e6)),
    memory_mib=st.integers(0, 1 << 20),
    cpus=st.integers(0, 64),
    disk_mib=st.integers(0, 1 << 20),
    network=st.sampled_from(NetworkPolicy),
    depth=st.integers(0, 1 << 20),
    submodules=st.booleans(),
)


def test_the_digest_of_a_known_plan_is_known() -> None:
    assert GOLDEN.digest == GOLDEN_DIGEST


PRINT_A_DIGEST = """
from sealock.core.plan import Plan, Step
print(Plan("i", (Step("test", "t", ("a",)),), {"A": "b", "C": "d"}).digest)
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_digest_is_the_same_in_another_process(seed: str) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", PRINT_A_DIGEST], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
    ).stdout
    assert printed.decode().strip() == Plan("i", (Step("test", "t", ("a",)),), {"C": "d", "A": "b"}).digest


@patient
@given(plans)
def test_the_digest_is_a_sha256_and_repeatable(plan: Plan) -> None:
    assert plan.digest == dataclasses.replace(plan).digest
    algorithm, _, digits = plan.digest.partition(":")
    assert algorithm == "sha256"
    assert len(digits) == 64
    assert int(digits, 16) >= 0


@patient
@given(plans, st.randoms(use_true_random=False))
def test_the_order_of_the_environment_does_not_matter(plan: Plan, random: Any) -> None:
    items = list(plan.environment.items())
    random.shuffle(items)
    assert dataclasses.replace(plan, environment=dict(items)).digest == plan.digest


@patient
@given(plans, plans)
def test_no_two_plans_share_a_digest(one: Plan, other: Plan) -> None:
    assert (one.digest == other.digest) == (one == other)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Plan)])
def test_every_field_changes_the_digest(name: str) -> None:
    @patient
    @given(plans, plans)
    def check(one: Plan, other: Plan) -> None:
        changed = dataclasses.replace(one, **{name: getattr(other, name)})
        assert (changed.digest == one.digest) == (getattr(one, name) == getattr(other, name))

    check()


CHANGED_STEPS = [
    (Step("test", "setup", ("a", "b")),),
    (Step("setup", "test", ("a", "b")),),
    (Step("setup", "setup", ("b", "a")),),
    (Step("setup", "setup", ("a b",)),),
    (Step("setup", "setup", ("a\nb",)),),
    (Step("setup", "setup", ("a", "b", "")),),
    (Step("setup", "setup", ("a",)), Step("setup", "setup", ("b",))),
    (Step("setup", "setup", ("a", "b")), Step("setup", "setup", ())),
    (),
]


def test_commands_cannot_be_moved_joined_or_split_under_one_digest() -> None:
    plans = [Plan("i", each) for each in [(Step("setup", "setup", ("a", "b")),), *CHANGED_STEPS]]
    assert len({plan.digest for plan in plans}) == len(plans)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"A": "b"}, {"A": "B"}), ({"A": "b"}, {"a": "b"}), ({"A": ""}, {}), ({"A": "B", "C": ""}, {"A": "BC"})],
)
def test_the_environment_is_taken_to_the_letter(one: Mapping[str, str], other: Mapping[str, str]) -> None:
    assert Plan("i", (), one).digest != Plan("i", (), other).digest


def test_a_plan_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GOLDEN.image = "other"  # type: ignore[misc]
