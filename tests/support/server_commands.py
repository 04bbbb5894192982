"""The commands that work with a server, called as a person calls them on a host without an installation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sealock.cli.main import run_command_line

Sealock = Callable[..., tuple[int, str, str]]
"""Of a command's words: its exit code, and what it wrote on both outputs."""


class NoTools:
    """What these commands must get by with."""


def calling(capfd: pytest.CaptureFixture[str]) -> Sealock:
    """Calls commands whose output is caught there."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run_command_line(NoTools(), arguments)  # type: ignore[arg-type]
        out, err = capfd.readouterr()
        return int(code), out, err

    return call
