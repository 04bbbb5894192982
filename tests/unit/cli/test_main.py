"""The command line's door: lazy, and every error leaves it as words and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from sealock.cli.main import COMMANDS
from sealock.core.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import FakeTools

    Sealock = Callable[..., tuple[int, str, str]]


def test_the_help_names_every_command(sealock: Sealock) -> None:
    code, out, _ = sealock("--help")
    assert code == 0
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in out
        assert text in out


def test_the_help_imports_no_command() -> None:
    program = (
        "import sys; sys.argv = ['sealock', '--help']\n"
        "from sealock.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'asyncssh', 'pydantic', 'rich', 'cryptography', 'asyncio', 'ruamel.yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["settings", "nonsense"]])
def test_a_usage_error_of_the_command_line_is_2(arguments: list[str], sealock: Sealock) -> None:
    code, _, err = sealock(*arguments)
    assert code == 2
    assert "sealock --help" in err or "--help' for help" in err


def test_an_unexpected_error_is_3_and_says_how_to_see_more(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.raises = ZeroDivisionError("division by zero")
    code, _, err = sealock("run")
    assert code == 3
    assert "ZeroDivisionError: division by zero" in err
    assert "SEALOCK_TRACEBACK=1" in err
    assert "Traceback" not in err


def test_a_traceback_is_shown_on_request(
    tools: FakeTools, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEALOCK_TRACEBACK", "1")
    tools.fake_runner.raises = PermanentError("brief", details="a\n  b", resolution="do")
    code, _, err = sealock("run")
    assert code == 3
    assert err.startswith("Error: brief\n  a\n    b\nWhat to do: do\n")
    assert "Traceback" in err


def test_control_sequences_in_an_error_do_not_reach_the_terminal(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.raises = PermanentError("a\x1b[2Jb", details="c\x1b]0;x\x07d")
    assert sealock("run")[2] == "Error: ab\n  cd\n"


@pytest.mark.parametrize("how", ["end", "no"])
def test_the_line_of_a_question_without_an_answer_is_ended(
    how: str, sealock: Sealock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(text: str) -> str:
        if how == "end":
            raise EOFError
        return how

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    code, out, err = sealock("keeper", "end-all")
    assert (code, err.endswith("\n")) == (130, how == "end"), out


def test_ctrl_c_before_anything_runs_is_130(tools: FakeTools, sealock: Sealock) -> None:
    tools.fake_runner.raises = KeyboardInterrupt()
    assert sealock("run")[0] == 130


def test_a_reader_that_has_ended_is_no_build_that_failed() -> None:
    program = "from sealock.__main__ import main\nmain()"
    end, beginning = os.pipe()
    os.close(end)
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, "completion", "bash"],
            stdout=beginning,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(beginning)
    assert (done.returncode, done.stderr) == (3, b"")


def test_settings_are_shown_with_where_they_are_from(sealock: Sealock) -> None:
    code, out, _ = sealock("settings", "show")
    assert code == 0
    assert out.splitlines()[1].split() == ["qemu", "q", "(SEALOCK_QEMU)"]
    assert '"source": "default"' in sealock("settings", "show", "--json")[1]
    assert "1 made" in sealock("settings", "check")[1]
