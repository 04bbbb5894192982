"""The examples in the reference are right, and the message it shows is the one that comes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sealock.core.errors import ConfigError
from sealock.pipeline import decode, fields, tree
from sealock.pipeline.reader import read_plan

REFERENCE = (Path(__file__).parents[3] / "docs" / "sealock-yml.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)[0]


def test_the_example_is_a_plan() -> None:
    made = read_plan(EXAMPLE.encode())
    assert [step.name for step in made.steps] == ["setup", "unit", "integration", "lint"]
    assert made.steps[2].commands[1].startswith("for suite in api web; do\n  pytest")
    assert made.environment["DATABASE_PORT"] == "5432"
    assert made.timeouts.total == 5400


def test_the_mistakes_look_as_shown() -> None:
    broken = EXAMPLE.replace("memory:", "memroy:").replace('"5432"', "5432")
    with pytest.raises(ConfigError) as caught:
        read_plan(broken.encode())
    assert f"```\n{caught.value}\n```" in REFERENCE


@pytest.mark.parametrize(
    "words",
    [
        f"at most {decode.MAXIMUM_BYTES // 1024} KiB",
        f"at most {tree.MAXIMUM_DEPTH} levels deep",
        f"at most {tree.MAXIMUM_VALUES:,} values",
        f"at most {tree.MAXIMUM_ALIASES} times",
        f"may take {fields.ENVIRONMENT_BYTES // 1024} KiB",
        f"`{fields.SMALLEST_MEMORY_MIB} MiB` to `{fields.LARGEST_MEMORY_MIB // 1024} GiB`",
        f"1 to {fields.MOST_CPUS}",
        f"`{fields.SMALLEST_DISK_MIB} MiB`",
        f"`{fields.LONGEST_SECONDS // 3600:.0f}h{fields.LONGEST_SECONDS % 3600 / 60:.0f}m`",
    ],
)
def test_the_limits_are_those_of_the_code(words: str) -> None:
    assert words in " ".join(REFERENCE.split())
