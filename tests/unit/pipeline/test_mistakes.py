"""Every mistake somebody can make in `sealock.yml`: the exact words, at the exact place."""

from __future__ import annotations

import textwrap

import pytest

from sealock.core.errors import ConfigError, ExitCode
from sealock.pipeline.configuration import read

FIELDS = "image, setup, test, environment, timeouts, machine, network, checkout"

# text; line:column and message; what to do
MISTAKES = [
    # fields
    ("tset: pytest\n", "1:1: tset: unknown field; did you mean `test`?", f"The fields here are {FIELDS}."),
    (
        "test: a\nscript: b\n",
        "2:1: script: unknown field; did you mean `test`?",
        f"The fields here are {FIELDS}.",
    ),
    ("test: a\nxyzzy: b\n", "2:1: xyzzy: unknown field", f"The fields here are {FIELDS}."),
    (
        "test: a\nEnv: {}\n",
        "2:1: Env: unknown field; did you mean `environment`?",
        f"The fields here are {FIELDS}.",
    ),
    (
        "image: python\n",
        "1:1: test: this field is missing",
        "Add `test:`; the reference shows what belongs in it.",
    ),
    (
        "test: a\nmachine:\n  cpus: 2\n  memroy: 2 GiB\n",
        "4:3: machine.memroy: unknown field; did you mean `memory`?",
        "The fields here are memory, cpus, disk.",
    ),
    (
        "test:\n  unit:\n    commnads: [a]\n    commands: [b]\n",
        "3:5: test.unit.commnads: unknown field; did you mean `commands`?",
        "The fields here are commands, secrets.",
    ),
    (
        "test: a\nmachine: big\n",
        "2:10: machine: this must be a mapping, but `big` is text",
        "Write its fields below it, each as `name: value`, indented.",
    ),
    (
        "test: a\nmachine:\n",
        "2:1: machine: this must be a mapping, but nothing stands here",
        "Write its fields below it, each as `name: value`, indented.",
    ),
    (
        "test: a\nenvironment: [A=b]\n",
        "2:14: environment: this must be a mapping, but this is a list",
        "Write its fields below it, each as `name: value`, indented.",
    ),
    ("test: a\ntest: b\n", "2:1: `test` stands here twice; first in line 1", "Remove one of them."),
    (
        "test: a\nenvironment:\n  A: b\n  'A': c\n",
        "4:3: `A` stands here twice; first in line 3",
        "Remove one of them.",
    ),
    # commands
    (
        "test:\n",
        "1:1: test: must be a list of commands, or names with a list of commands each, "
        "but nothing stands here",
        "Begin each command with `- `.",
    ),
    (
        "test: 5\n",
        "1:7: test: must be a list of commands, or names with a list of commands each, but `5` is a number",
        "Begin each command with `- `.",
    ),
    (
        "test: {}\n",
        "1:7: test: must be a list of commands, or names with a list of commands each, but this is a mapping",
        "Begin each command with `- `.",
    ),
    ("test: []\n", "1:7: test: there is no command here", "Write at least one, as in `- pytest`."),
    (
        "test: |\n  # nothing\n",
        "1:7: test: there is no command here",
        "Write at least one, as in `- pytest`.",
    ),
    (
        "test:\n  unit:\n  lint: x\n",
        "2:3: test.unit: must be a list of commands, one line each, but nothing stands here",
        "Begin each command with `- `.",
    ),
    (
        "setup: true\ntest: x\n",
        "1:8: setup: must be a list of commands, one line each, but `true` is a boolean",
        "Begin each command with `- `.",
    ),
    (
        "test:\n  - pytest\n  - 3.10\n",
        "3:5: test: this must be text, but `3.10` is a number",
        'Quote it: "3.10".',
    ),
    ("test:\n  - true\n", "2:5: test: this must be text, but `true` is a boolean", 'Quote it: "true".'),
    (
        "test:\n  - echo a: b\n",
        "2:5: test: this must be text, but this is a mapping",
        "Put text that contains `: ` in quotes, or write it below `- |`.",
    ),
    (
        "test:\n  - [ -f setup.py ]\n",
        "2:5: test: this must be text, but this is a list",
        "Put the text in quotes if the brackets belong to it.",
    ),
    (
        "test:\n  - ~\n",
        "2:5: test: this must be text, but `~` is nothing",
        'Write "" for empty text, or remove the line.',
    ),
    ("test:\n  - a\n  - '  '\n", "3:5: test: a command is empty", "Remove the line, or write the command."),
    (
        'test:\n  - "a\\e[0m"\n',
        "2:5: test: a command holds the character U+001B",
        "Let the shell make it, as in `printf '\\033[1m'`.",
    ),
    (
        "test:\n  - echo a\u202eb\n",
        "2:5: test: a command holds the character U+202E",
        "Let the shell make it, as in `printf '\\033[1m'`.",
    ),
    # names of pipelines
    (
        "test:\n  commands: [a]\n",
        "2:3: test.commands: a pipeline cannot have this name",
        "Choose another name, such as `unit`.",
    ),
    (
        "test:\n  setup: [a]\n",
        "2:3: test.setup: a pipeline cannot have this name",
        "Choose another name, such as `unit`.",
    ),
    (
        "test:\n  unit tests: [a]\n",
        "2:3: test.unit tests: is not a pipeline's name",
        "Use letters, digits, `.`, `_` and `-`, at most 63, a letter or digit first.",
    ),
    # environment
    (
        "environment:\n  PORT: 8080\ntest: a\n",
        "2:9: environment.PORT: this must be text, but `8080` is a number",
        'Quote it: "8080".',
    ),
    (
        "environment:\n  DEBUG: false\ntest: a\n",
        "2:10: environment.DEBUG: this must be text, but `false` is a boolean",
        'Quote it: "false".',
    ),
    (
        "environment:\n  EMPTY:\ntest: a\n",
        "2:3: environment.EMPTY: this must be text, but nothing stands here",
        'Write "" for empty text, or remove the line.',
    ),
    (
        "environment:\n  1ST: a\ntest: a\n",
        "2:3: environment.1ST: is not a variable's name",
        "Use letters, digits and `_`, not a digit first.",
    ),
    (
        "environment:\n  A=B: a\ntest: a\n",
        "2:3: environment.A=B: is not a variable's name",
        "Use letters, digits and `_`, not a digit first.",
    ),
    (
        "environment:\n  SEALOCK_HOME: a\ntest: a\n",
        "2:3: environment.SEALOCK_HOME: names that begin with `SEALOCK_` are Sealock's own",
        "Choose another name.",
    ),
    # times and sizes
    (
        "timeouts: {silence: 600}\ntest: a\n",
        "1:21: timeouts.silence: must be a time with its unit, but `600` is a number",
        "Write it as in `90s`, `10m` or `1h30m`.",
    ),
    (
        "timeouts: {total: 10 minutes}\ntest: a\n",
        "1:19: timeouts.total: must be a time with its unit, but `10 minutes` stands here",
        "Write it as in `90s`, `10m` or `1h30m`.",
    ),
    (
        "timeouts: {total: 0s}\ntest: a\n",
        "1:19: timeouts.total: must be between 1s and 330m, but `0s` stands here",
        "Split longer work into several builds.",
    ),
    (
        "timeouts: {total: 6h}\ntest: a\n",
        "1:19: timeouts.total: must be between 1s and 330m, but `6h` stands here",
        "Split longer work into several builds.",
    ),
    (
        "timeouts:\n  silence: 2h\ntest: a\n",
        "2:12: timeouts.silence: is longer than the total time of 60 minutes",
        "Shorten it, or set a longer `timeouts.total`.",
    ),
    (
        "machine:\n  memory: 2GB\ntest: a\n",
        "2:11: machine.memory: must be a size with its unit, but `2GB` stands here",
        "Write it as in `2 GiB`; the units are MiB and GiB.",
    ),
    (
        "machine:\n  memory: 512 m\ntest: a\n",
        "2:11: machine.memory: must be a size with its unit, but `512 m` stands here",
        "Write it as in `512 MiB`; the units are MiB and GiB.",
    ),
    (
        "machine:\n  memory: 2048\ntest: a\n",
        "2:11: machine.memory: must be a size with its unit, but `2048` is a number",
        "Write it as in `2 GiB`; the units are MiB and GiB.",
    ),
    (
        "machine:\n  memory: 127 MiB\ntest: a\n",
        "2:11: machine.memory: must be between 128 MiB and 64 GiB, but `127 MiB` stands here",
        "",
    ),
    (
        "machine:\n  memory: 65 GiB\ntest: a\n",
        "2:11: machine.memory: must be between 128 MiB and 64 GiB, but `65 GiB` stands here",
        "",
    ),
    (
        "machine:\n  disk: 2 GiB\ntest: a\n",
        "2:9: machine.disk: files live in memory; of 1024 MiB they may take 960 MiB at most",
        "Make `machine.memory` larger or `machine.disk` smaller.",
    ),
    (
        "machine: {disk: 1 MiB}\ntest: a\n",
        "1:17: machine.disk: must be at least 16 MiB, but `1 MiB` stands here",
        "",
    ),
    (
        "machine: {disk: null}\ntest: a\n",
        "1:17: machine.disk: must be a size with its unit, but `null` is nothing",
        "Write it as in `2 GiB`; the units are MiB and GiB.",
    ),
    ("machine: {cpus: 0}\ntest: a\n", "1:17: machine.cpus: this must be at least 1, but `0` stands here", ""),
    (
        "machine: {cpus: 33}\ntest: a\n",
        "1:17: machine.cpus: this must be at most 32, but `33` stands here",
        "",
    ),
    (
        "machine: {cpus: 1.5}\ntest: a\n",
        "1:17: machine.cpus: this must be a whole number, but `1.5` is a number",
        "",
    ),
    (
        "machine: {cpus: true}\ntest: a\n",
        "1:17: machine.cpus: this must be a whole number, but `true` is a boolean",
        "",
    ),
    (
        "machine: {cpus: '2'}\ntest: a\n",
        "1:17: machine.cpus: this must be a whole number, but `2` is text",
        "",
    ),
    # the rest
    (
        "network: internt\ntest: a\n",
        "1:10: network: this must be none, git-only or internet, but `internt` stands here; "
        "did you mean `internet`?",
        "",
    ),
    (
        "network: no\ntest: a\n",
        "1:10: network: this must be none, git-only or internet, but `no` stands here; did you mean `none`?",
        "",
    ),
    (
        "network:\ntest: a\n",
        "1:1: network: this must be none, git-only or internet, but nothing stands here",
        "",
    ),
    (
        "checkout: {depth: -1}\ntest: a\n",
        "1:19: checkout.depth: this must be at least 0, but `-1` stands here",
        "",
    ),
    (
        "checkout: {submodules: no}\ntest: a\n",
        "1:24: checkout.submodules: this must be true or false, but `no` is text",
        "",
    ),
    (
        "image: Python\ntest: a\n",
        "1:8: image: must be an image's name or digest, but `Python` stands here",
        "`sealock image list` shows those of this host.",
    ),
    (
        "image: ../base\ntest: a\n",
        "1:8: image: must be an image's name or digest, but `../base` stands here",
        "`sealock image list` shows those of this host.",
    ),
    ("image: 3.11\ntest: a\n", "1:8: image: this must be text, but `3.11` is a number", 'Quote it: "3.11".'),
    # keys
    ("test: a\n1: b\n", "2:1: the key 1 is not text", 'Quote it: "1".'),
    ("test: a\nenvironment: {true: b}\n", "2:15: the key true is not text", 'Quote it: "true".'),
    ("test: a\n? [b]\n: c\n", "2:3: a key must be text, not a list or a mapping", "Is it text? Quote it."),
    ("x: &x {a: b}\n<<: *x\ntest: a\n", "1:1: x: unknown field", f"The fields here are {FIELDS}."),
    ("test: a\n<<: {image: x}\n", "2:1: merge keys (`<<`) are not supported", "Write the values out."),
    # a stranger's text cannot write on the terminal
    (
        'test: a\n"\\e]0;x\\a\\n": b\n',
        "2:1: \\x1b]0;x\\x07\\x0a: unknown field",
        f"The fields here are {FIELDS}.",
    ),
    (
        "test: a\n" + "k" * 70 + ": b\n",
        "2:1: " + "k" * 60 + "…: unknown field",
        f"The fields here are {FIELDS}.",
    ),
]


@pytest.mark.parametrize(("text", "message", "resolution"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_a_mistake_is_told_where_it_stands(text: str, message: str, resolution: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text.encode())
    assert caught.value.brief == f"sealock.yml:{message}"
    assert caught.value.resolution == resolution
    assert caught.value.exit_code == ExitCode.USAGE


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = textwrap.dedent("""\
        tests: pytest
        environment:
          A: 1
          A: two
        machine:
          cpus: 99
        """)
    with pytest.raises(ConfigError) as caught:
        read(text.encode(), "ci/sealock.yml")
    error = caught.value
    assert (error.file, error.line, error.column) == ("ci/sealock.yml", 1, 1)
    assert error.brief == "ci/sealock.yml:1:1: tests: unknown field; did you mean `test`?"
    assert error.details.splitlines() == [
        "ci/sealock.yml:1:1: test: this field is missing",
        "ci/sealock.yml:3:6: environment.A: this must be text, but `1` is a number",
        "ci/sealock.yml:4:3: `A` stands here twice; first in line 3",
        "ci/sealock.yml:6:9: machine.cpus: this must be at most 32, but `99` stands here",
    ]


def test_past_twenty_further_mistakes_they_are_counted() -> None:
    text = "test: a\n" + "".join(f"unknown{number}: x\n" for number in range(100))
    with pytest.raises(ConfigError) as caught:
        read(text.encode())
    lines = caught.value.details.splitlines()
    assert lines[19] == "sealock.yml:22:1: unknown20: unknown field"
    assert lines[20:] == ["…and 79 more"]


def test_a_mistake_behind_an_alias_is_told_where_it_is_written() -> None:
    with pytest.raises(ConfigError) as caught:
        read(b"setup: &list\n  - a\n  - 5\ntest: *list\n")
    assert caught.value.brief == "sealock.yml:3:5: setup: this must be text, but `5` is a number"
    assert caught.value.details == "sealock.yml:3:5: test: this must be text, but `5` is a number"


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "~\n", "\ufeff"])
def test_an_empty_file_shows_an_example(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text.encode())
    assert caught.value.brief == "sealock.yml:1:1: the file is empty"
    example = caught.value.resolution.partition("\n")[2]
    assert read(textwrap.dedent(example).encode()).test["test"].commands == ("pytest",)


@pytest.mark.parametrize("text", ["- pytest\n", "pytest\n", "5\n"])
def test_a_file_of_another_shape_shows_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^sealock\.yml:1:1: the file must be a mapping of fields"):
        read(text.encode())
