"""Completion of commands in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

Sealock = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str, sealock: Sealock) -> None:
    code, out, _ = sealock("completion", shell)
    assert code == 0 and "_SEALOCK_COMPLETE" in out


def completed(*words: str) -> tuple[list[str], bool]:
    """What the shell is offered for the last word, and whether an HTTP client was imported for it."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('httpx2' in sys.modules))\n"
        "from sealock.cli.main import run_command_line\nrun_command_line(None, [])"
    )
    asked = {"_SEALOCK_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("sealock", *words))}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | asked | {"COMP_CWORD": str(len(words))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *lines, imported = done.stdout.splitlines()
    return [line.partition(",")[2] for line in lines], imported == "True"


def test_commands_and_options_are_offered_without_importing_them_all() -> None:
    offered, imported = completed("wor")
    assert "workers" in offered and not imported
    assert "--failed" in completed("rerun", "--f")[0]
    for words in (("logs", "show"), ("logs", "shop#2"), ("secrets", "exposures"), ("receipt", "verify")):
        assert "--attempt" in completed(*words, "--at")[0]
