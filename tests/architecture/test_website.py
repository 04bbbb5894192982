"""P16: the website has no way to a machine, a repository or a key, in what it imports or in what it calls."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = sorted((ROOT / "src/sealock/web").rglob("*.py"))
STARTS_PROGRAMS = {"subprocess", "multiprocessing", "pty", "_posixsubprocess", "ctypes", "importlib.util"}
CALLS = {"system", "popen", "fork", "forkpty", "posix_spawn", "posix_spawnp", "create_subprocess_exec"}
CALLS |= {"create_subprocess_shell", "subprocess_exec", "subprocess_shell", "open_process", "run_process"}
CALLS |= {"eval", "exec", "compile", "__import__", "import_module"}


def loaded_with_the_website() -> list[str]:
    """The modules of a process that has imported all of the website."""
    names = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in WEB]
    code = (
        f"import importlib, sys, json\nfor name in {names}: importlib.import_module(name)\n"
        "print(json.dumps(list(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    found: list[str] = json.loads(result.stdout)
    return found


def test_the_website_loads_its_own_rooms_and_nothing_with_hands() -> None:
    loaded = loaded_with_the_website()
    ours = {name for name in loaded if name.split(".")[0] == "sealock"}
    allowed = ("sealock.web", "sealock.core", "sealock.builds")
    assert not [name for name in ours if name != "sealock" and not name.startswith(allowed)]
    hands = ("asyncssh", "qemu", "paramiko", "git", "dulwich", "pygit2")
    assert not [name for name in loaded if name.split(".")[0] in hands]
    assert len(ours) > 10, "the test has to have loaded it"


def test_no_file_that_the_website_loads_starts_a_program() -> None:
    """What libraries could do is not in our hands; what we call of them is."""
    files = [
        ROOT / "src" / Path(*name.split(".")).with_suffix(".py")
        for name in loaded_with_the_website()
        if name.startswith("sealock.")
    ]
    found = [
        f"{path.name}: {what}" for path in files if path.is_file() for what in hands_of(path.read_text())
    ]
    assert not found


def hands_of(source: str) -> list[str]:
    """Imports and calls that start programs or code made of text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name in STARTS_PROGRAMS]
        elif isinstance(node, ast.ImportFrom) and node.module in STARTS_PROGRAMS:
            found.append(str(node.module))
        elif isinstance(node, ast.ImportFrom):
            found += [one.name for one in node.names if one.name in CALLS]
        elif isinstance(node, ast.Attribute):
            # `re.compile` and its like are somebody else's word.
            is_ours = not (node.attr in ("compile", "exec") and isinstance(node.value, ast.Name))
            found += (
                [node.attr]
                if is_ours and (node.attr in CALLS or node.attr.startswith(("exec", "spawn")))
                else []
            )
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in CALLS:
            found.append(node.id)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "from subprocess import run",
        "import os\nos.system('x')",
        "from os import popen",
        "import os\nos.execv('x', [])",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
        "import anyio\nanyio.run_process(['x'])",
        "eval('x')",
        "__import__('x')",
    ],
)
def test_the_test_sees_hands(source: str) -> None:
    assert hands_of(source)


def test_the_frameworks_telemetry_stays_off_whatever_the_environment_says() -> None:
    """P15: a variable of the environment must not have requests told to somebody."""
    code = (
        "from sealock.web.app import unguarded_app\n"
        "from tests.support.website import make_ports\n"
        "app = unguarded_app(make_ports().web)\n"
        "print(sorted(name for name, value in app._telemetry.items() if value))"
    )
    environment = os.environ | {
        "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.strip() == "[]"
