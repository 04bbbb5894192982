"""The help as a newcomer reads it: every command has an example that works, and nothing is cut off."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sealock.cli.help_words import HELP
from sealock.cli.main import COMMANDS, SECTIONS, sealock


def walk(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below, with its name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield f"{path} {name}".strip(), below
            yield from walk(below, f"{path} {name}".strip())


ALL = dict(walk(sealock))
RUN = {
    path: command
    for path, command in ALL.items()
    if not isinstance(command, click.Group) or command.invoke_without_command
}


def test_there_are_words_for_each_command_and_for_no_other() -> None:
    assert set(HELP) == set(RUN)


def typed(path: str) -> list[str]:
    """What the example gives the command; what a shell would do for it is done."""
    text = HELP[path].example.removeprefix('eval "$(').removesuffix(')"')
    text = re.sub(r"\$\(.*?\)", "x", text.rpartition("&& ")[2]).partition(" < ")[0].partition(" > ")[0]
    words = shlex.split(text.removeprefix("sudo "))
    assert words[0] == "sealock"
    names, rest = path.split(), words[1:]
    while names and rest[:1] == names[:1]:
        names, rest = names[1:], rest[1:]
    assert names in ([], ["show"])  # `sealock logs BUILD`
    return rest


@pytest.mark.parametrize("path", RUN)
def test_an_example_can_be_typed(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.backup").touch()
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    RUN[path].make_context(path, typed(path))  # as far as before it would run
    shown = RUN[path].get_help(click.Context(RUN[path], info_name=path))
    assert HELP[path].example in shown


@pytest.mark.parametrize("path", ALL)
def test_the_help_fits_eighty_columns_and_cuts_nothing_off(path: str) -> None:
    command = ALL[path]
    lines = command.get_help(click.Context(command, info_name=path, terminal_width=80)).splitlines()
    assert [
        line for line in lines if len(line) > 80 and HELP.get(path, HELP["run"]).example not in line
    ] == []
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage:")] == []


@pytest.mark.parametrize("path", ALL)
def test_what_a_value_is_called_says_what_it_is(path: str) -> None:
    named = [one.metavar for one in ALL[path].params if isinstance(one, click.Option) and not one.is_flag]
    shown = ALL[path].get_help(click.Context(ALL[path], info_name=path))
    assert not {"TEXT", "INTEGER", "PATH"} & set(named)
    assert " TEXT" not in shown and "INTEGER RANGE" not in shown


def test_the_list_of_commands_fits_eighty_columns() -> None:
    lines = sealock.get_help(click.Context(sealock, info_name="sealock", terminal_width=80)).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(COMMANDS) == sum(len(section) for section in SECTIONS.values())
    assert [line for name in COMMANDS for line in lines if line.split()[:1] == [name]] != []
