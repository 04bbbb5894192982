"""A file that is right is understood, field by field, and what it leaves out has its default."""

from __future__ import annotations

import pytest

from sealock.core.machine import NetworkPolicy
from sealock.core.plan import Plan, Timeouts
from sealock.pipeline.configuration import Configuration, read

EVERYTHING = b"""\
image: base
setup:
  - pip install --editable .[test]
  - |
    cat > settings.ini <<END
    debug = yes
    END
test:
  unit:
    - pytest tests/unit
  lint:
    commands:
      - ruff check
      - mypy
environment:
  PYTHON: "3.10"
  EMPTY: ""
  LD_PRELOAD: /home/build/wrap.so
timeouts:
  silence: 90s
  total: 1h30m
machine:
  memory: 2 GiB
  cpus: 2
  disk: 1536 MiB
network: git-only
checkout:
  depth: 0
  submodules: false
"""


def machine(fields: str) -> Configuration:
    return read(f"machine: {{{fields}}}\ntest: a\n".encode())


def test_every_field_is_read() -> None:
    configuration = read(EVERYTHING)
    assert configuration.image == "base"
    assert configuration.setup == (
        "pip install --editable .[test]",
        "cat > settings.ini <<END\ndebug = yes\nEND",
    )
    assert {name: pipeline.commands for name, pipeline in configuration.test.items()} == {
        "unit": ("pytest tests/unit",),
        "lint": ("ruff check", "mypy"),
    }
    assert configuration.environment == {
        "PYTHON": "3.10",
        "EMPTY": "",
        "LD_PRELOAD": "/home/build/wrap.so",
    }
    assert (configuration.timeouts.silence, configuration.timeouts.total) == (90.0, 5400.0)
    assert (configuration.machine.memory, configuration.machine.cpus) == (2048, 2)
    assert configuration.machine.disk_mib == 1536
    assert configuration.network is NetworkPolicy.GIT_ONLY
    assert (configuration.checkout.depth, configuration.checkout.submodules) == (0, False)


def test_what_is_left_out_has_the_plan_s_default() -> None:
    configuration = read(b"test: pytest\n")
    assert configuration.image == "python"
    assert configuration.setup == ()
    assert configuration.environment == {}
    assert configuration.timeouts.silence == Timeouts().silence
    assert configuration.timeouts.total == Timeouts().total
    assert configuration.machine.memory == Plan.memory_mib
    assert configuration.machine.cpus == Plan.cpus
    assert configuration.machine.disk_mib == Plan.disk_mib
    assert configuration.network is Plan.network
    assert configuration.checkout.depth == Plan.depth
    assert configuration.checkout.submodules is Plan.submodules


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("test: pytest", ("pytest",)),
        ("test: [a, b]", ("a", "b")),
        ("test:\n- a\n- b", ("a", "b")),
        ("test:\n- |\n  a\n  b\n- c", ("a\nb", "c")),
        ("test:\n- >\n  a\n  b\n- c", ("a b", "c")),
        ("test:\n- a\n  b", ("a b",)),
        ("test: |\n  a\n  b", ("a", "b")),
        ("test: |\n  a\n\n  # b\n    c  # d\n", ("a", "c  # d")),
        ("test: |\n  a \\\n    b \\\n    # c\n  d", ("a \\\n  b \\\n  # c", "d")),
        ("test: |\n  echo \\\\\n  b", ("echo \\\\", "b")),
        ("test: |\n  a \\", ("a \\",)),
        ("test: 'echo a: b'", ("echo a: b",)),
        ("test: |\n  echo a: b", ("echo a: b",)),
    ],
)
def test_commands_are_written_as_a_list_or_one_a_line(text: str, commands: tuple[str, ...]) -> None:
    assert read(text.encode()).test["test"].commands == commands


@pytest.mark.parametrize(
    "text",
    ["test: {unit: a}", "test: {unit: [a]}", "test: {unit: {commands: a}}", "test: {unit: {commands: [a]}}"],
)
def test_a_pipeline_is_a_list_or_a_mapping_with_commands(text: str) -> None:
    assert read(text.encode()).test["unit"].commands == ("a",)


def test_pipelines_keep_the_order_of_the_file() -> None:
    assert list(read(b"test: {z: a, a: b, m: c}").test) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("90s", 90), ("10m", 600), ("1h", 3600), ("1h1m1s", 3661), ("5h30m", 19800)],
)
def test_times_are_written_with_units(text: str, seconds: float) -> None:
    assert read(f"timeouts: {{silence: 1s, total: {text}}}\ntest: a".encode()).timeouts.total == seconds


@pytest.mark.parametrize(
    ("text", "mebibytes"), [("128 MiB", 128), ("512MiB", 512), ("2 GiB", 2048), ("64GiB", 65536)]
)
def test_sizes_are_written_with_units(text: str, mebibytes: int) -> None:
    assert machine(f"memory: {text}").machine.memory == mebibytes


def test_files_may_take_three_quarters_of_the_memory_unless_told_otherwise() -> None:
    assert machine("memory: 4 GiB").machine.disk_mib == 3072
    assert machine("memory: 4 GiB, disk: 1 GiB").machine.disk_mib == 1024
    assert machine("memory: 128 MiB").machine.disk_mib == 64
    assert machine("memory: 1 GiB, disk: 960 MiB").machine.disk_mib == 960


@pytest.mark.parametrize(
    "image", ["python", "base", "python3.13_web-2", "sha256:" + "a" * 12, "sha256:" + "0" * 64]
)
def test_an_image_is_a_name_or_a_digest(image: str) -> None:
    assert read(f"image: {image}\ntest: a".encode()).image == image


def test_a_configuration_cannot_be_changed() -> None:
    configuration = read(b"test: a")
    with pytest.raises(ValueError, match="frozen"):
        configuration.image = "other"
