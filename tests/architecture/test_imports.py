"""Imports go one way, and core's words need nothing but Python."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = sorted((ROOT / "src/sealock/core").glob("*.py"))


def imported(path: Path) -> set[str]:
    """The dotted names a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def test_the_contracts_in_importlinter_are_kept() -> None:
    result = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_imports_the_standard_library_only(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"sealock"}
    strangers = {name for name in imported(path) if name.split(".")[0] not in allowed}
    above = {name for name in imported(path) if name.startswith("sealock") and name.split(".")[1] != "core"}
    assert not strangers | above


def test_commands_bring_no_hands_into_the_process() -> None:
    """P16, at run time: importing every command loads nothing that could reach a machine or open a key."""
    commands = [f"sealock.cli.{path.stem}" for path in (ROOT / "src/sealock/cli").glob("[a-z]*.py")]
    code = (
        f"import importlib, sys\nfor name in {commands}: importlib.import_module(name)\nprint(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    hands = ("asyncssh", "qemu", "sealock.machines", "sealock.keeper", "sealock.store", "sealock.providers")
    assert not [name for name in result.stdout.split() if name.startswith(hands)]


OPENING = (
    "sealock.keeping",
    *(
        f"sealock.keeper.{name}"
        for name in ("old_keys", "keysets", "care", "kek", "backends", "backup", "process", "rotation")
    ),
)
"""What could open something sealed to an owner, or has the keys to."""


def modules_after(code: str, directory: Path) -> list[str]:
    """What is imported in a process of its own once `code` has run, over an empty installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")}
    places = {"SEALOCK_DATA_DIR": f"{directory}/data", "SEALOCK_RUNTIME_DIR": f"{directory}/run"}
    result = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('modules:', *sys.modules)"],
        env=kept | places | {"SEALOCK_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.partition("modules: ")[2].split()


def that_open(modules: list[str]) -> list[str]:
    return [name for name in modules if name.startswith(OPENING)]


def test_a_run_has_nothing_in_its_process_that_opens_what_is_sealed(tmp_path: Path) -> None:
    """P2 and P16: all that `sealock run`, `secrets`, `logs`, `keys` and `project` are made of, and none of
    the keeper's half."""
    code = (
        "from sealock.wiring import Wiring\nfrom sealock.machines.qemu import QemuMachines\n"
        "import sealock.builds.run\nw = Wiring()\nw._run_ports(None, w.images(), w._attended())\n"
        "w.secret_sealer(), w.sealer(), w._build_logs(w._attended()), w.exposures()\n"
        "w.keyring(), w.key_destroyer(), w.sealed_places(), w.keeper_control()"
    )
    modules = modules_after(code, tmp_path)
    assert "sealock.keeper.client" in modules
    assert that_open(modules) == []


HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIITc4QHi8JWxKO2tYrzRmfUJVJucup6Jb7U+vZPaVG+Y"
LOOKING_AFTER_KEYS = (
    ("project", "add", "parser", "git@git.example.org:team/parser.git", "--host-key", HOST_KEY),
    ("keys", "status"),
    ("keys", "rotate"),
    ("keys", "export", "BACKUP", "--passphrase-file", "PASSPHRASE"),
    ("keys", "restore", "BACKUP", "--passphrase-file", "PASSPHRASE"),
    ("project", "remove", "parser", "--yes"),
)


@pytest.mark.slow
def test_looking_after_keys_opens_none_in_the_commands_process(tmp_path: Path) -> None:
    """P2: each command to its end, with the keeper it starts: what it needed to do it was never here."""
    (tmp_path / "run").mkdir(mode=0o700)
    passphrase = tmp_path / "PASSPHRASE"
    passphrase.write_text("a passphrase for backups")
    passphrase.chmod(0o400)
    names = {"BACKUP": f"{tmp_path}/backup", "PASSPHRASE": str(passphrase)}
    for command in LOOKING_AFTER_KEYS:
        arguments = [names.get(argument, argument) for argument in command]
        code = (
            "from sealock.cli.main import run_command_line\nfrom sealock.wiring import Wiring\n"
            f"sys.argv = ['sealock', *{arguments}]\nassert run_command_line(Wiring()) == 0"
        )
        modules = modules_after(code, tmp_path)
        assert "sealock.keeper.attend" in modules, command
        assert that_open(modules) == [], command


def test_the_wiring_reaches_for_the_half_that_opens_for_the_keeper_alone() -> None:
    tree = ast.parse((ROOT / "src/sealock/wiring.py").read_text(encoding="utf-8"))
    reaching = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OPENING)
    ]
    assert reaching == ["keeper"]
    outside = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [node for node in outside if (node.module or "").startswith(OPENING)]
