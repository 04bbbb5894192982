"""Any bytes end in a configuration or in an error with a place that exists, never in anything else."""

from __future__ import annotations

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.errors import ConfigError
from sealock.pipeline.configuration import Configuration, read
from sealock.pipeline.plan import plan

# Hypothesis' own deadline is in wall time, which a loaded machine takes at will.
patient = settings(deadline=None, max_examples=200)

PIECES = [
    *(
        "\n",
        "\n  ",
        "\n    ",
        " ",
        "  ",
        "\t",
        "\r\n",
        "- ",
        ": ",
        ":",
        "? ",
        "#",
        ", ",
        "'",
        '"',
        "\\",
        "\\0",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "|\n  ",
        ">-\n  ",
        "&a ",
        "*a",
        "!!str ",
        "! ",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "<<: ",
    ),
    *("image: ", "setup: ", "test: ", "environment: ", "timeouts: ", "machine: ", "network: ", "checkout: "),
    *(
        "commands: ",
        "unit: ",
        "memory: ",
        "cpus: ",
        "disk: ",
        "depth: ",
        "submodules: ",
        "silence: ",
        "total: ",
    ),
    *(
        "10m",
        "2 GiB",
        "none",
        "true",
        "null",
        "~",
        "3.10",
        "0x",
        "a",
        "é",
        "\ud83d\ude00",
        "\u2028",
        "\ufeff",
    ),
    *('"\\ud800"', '"\\U00110000"', '"\\x00"', '"\\e"', "1" * 30),
]

VALID = """\
image: base
setup: &setup
  - "prepare"
test:
  unit: *setup
  lint: {commands: [a, 'b']}
environment: {A: "1"}
timeouts:
  silence: 1m
machine: {memory: 2 GiB, cpus: 2}
network: none
"""


def check(text: bytes) -> None:
    """It is read, or refused with a place that lies in the file."""
    try:
        configuration = read(text)
    except ConfigError as error:
        check_place(text, error)
    else:
        assert plan(configuration).digest.startswith("sha256:")


def check_place(text: bytes, error: ConfigError) -> None:
    lines = re.split("\r\n|\r|\n", text.decode("utf-8", errors="replace"))
    places = re.findall(r"(?m)^sealock\.yml:(\d+):(\d+): .", f"{error.brief}\n{error.details}")
    assert places[0] == (str(error.line), str(error.column))
    for line, column in [(int(line), int(column)) for line, column in places]:
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
    assert all(character.isprintable() or character == "\n" for character in str(error))


@patient
@given(st.binary(max_size=500))
def test_any_bytes(text: bytes) -> None:
    check(text)


@patient
@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    check(text.encode())


@patient
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_anything_that_looks_like_a_configuration(text: str) -> None:
    check(text.encode("utf-8", errors="replace"))


@patient
@given(st.integers(0, len(VALID)), st.integers(0, 12), st.sampled_from([*PIECES, ""]))
def test_a_good_file_with_one_change(start: int, length: int, piece: str) -> None:
    check((VALID[:start] + piece + VALID[start + length :]).encode("utf-8", errors="replace"))


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda name: name not in {"setup", "commands"}
)
variables = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
printable = st.text(st.characters(exclude_categories=["C"]), max_size=40)
lines = printable.filter(str.strip).map(lambda line: f"x{line}")
command_lists = st.lists(lines, min_size=1, max_size=4)
times = st.integers(1, 330).map(lambda minutes: f"{minutes}m")

documents = st.fixed_dictionaries(
    {
        "test": st.dictionaries(
            names, command_lists | st.fixed_dictionaries({"commands": command_lists}), min_size=1
        )
    },
    optional={
        "image": st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True),
        "setup": command_lists,
        "environment": st.dictionaries(variables, printable, max_size=4),
        "timeouts": st.fixed_dictionaries({"silence": st.just("1s"), "total": times}),
        "machine": st.fixed_dictionaries(
            {"memory": st.integers(128, 65536).map(lambda size: f"{size} MiB"), "cpus": st.integers(1, 32)}
        ),
        "network": st.sampled_from(["none", "git-only", "internet"]),
        "checkout": st.fixed_dictionaries({"depth": st.integers(0, 1000), "submodules": st.booleans()}),
    },
)


def written_again(configuration: Configuration) -> dict[str, object]:
    """A configuration in the form of the file."""
    return {
        "image": configuration.image,
        **({"setup": list(configuration.setup)} if configuration.setup else {}),
        "test": {name: list(pipeline.commands) for name, pipeline in configuration.test.items()},
        "environment": configuration.environment,
        "timeouts": {
            "silence": f"{configuration.timeouts.silence:.0f}s",
            "total": f"{configuration.timeouts.total:.0f}s",
        },
        "machine": {
            "memory": f"{configuration.machine.memory} MiB",
            "cpus": configuration.machine.cpus,
            "disk": f"{configuration.machine.disk_mib} MiB",
        },
        "network": str(configuration.network),
        "checkout": configuration.checkout.model_dump(),
    }


@settings(patient, max_examples=60)
@given(documents)
def test_a_good_file_is_understood_and_written_again_it_means_the_same(document: dict[str, object]) -> None:
    configuration = read(json.dumps(document, ensure_ascii=False).encode())
    again = read(json.dumps(written_again(configuration), ensure_ascii=False).encode())
    assert plan(again).digest == plan(configuration).digest
    assert list(configuration.test) == list(document["test"])  # type: ignore[call-overload]
