"""Commands as they may be written: a list, one item a command, or a text, one line a command."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from sealock.pipeline.refuse import refuse

# Commands are shown to people before and after they run. Control characters, and those that turn the
# direction of writing, would show something other than what runs.
_REFUSED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _lines(text: str) -> list[str]:
    """One command a line. Blank lines and comments are none; a backslash at the end joins the next line."""
    commands: list[str] = []
    joined = ""
    for line in text.split("\n"):
        joined += line if joined else line.lstrip()
        if _goes_on(line):
            joined += "\n"
        else:
            commands.append(joined)
            joined = ""
    commands.append(joined)
    return [command for command in commands if command.strip() and not command.startswith("#")]


def _goes_on(line: str) -> bool:
    backslashes = len(line) - len(line.rstrip("\\"))
    return backslashes % 2 == 1


def _as_list(value: object) -> object:
    commands = _lines(value) if isinstance(value, str) else value
    if not isinstance(commands, list):
        raise refuse("must be a list of commands, one line each", "Begin each command with `- `.", seen=True)
    if not commands:
        raise refuse("there is no command here", "Write at least one, as in `- pytest`.")
    return tuple(commands)


def _command(text: str) -> str:
    stripped = text.strip("\n")
    if not stripped.strip():
        raise refuse("a command is empty", "Remove the line, or write the command.")
    if found := _REFUSED.search(stripped):
        message = f"a command holds the character U+{ord(found[0]):04X}"
        raise refuse(message, "Let the shell make it, as in `printf '\\033[1m'`.")
    return stripped


Command = Annotated[str, AfterValidator(_command)]

Commands = Annotated[tuple[Command, ...], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]
