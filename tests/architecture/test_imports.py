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


def test_a_run_has_nothing_in_its_process_that_opens_what_is_sealed(tmp_path: Path) -> None:
    """P2 and P16: all that `sealock run`, `secrets` and `logs` are made of, and none of the keeper's half."""
    code = (
        "import sys\nfrom sealock.wiring import Wiring\nfrom sealock.machines.qemu import QemuMachines\n"
        "import sealock.builds.run\nw = Wiring()\nw._run_ports(None, w.images(), w._attended())\n"
        "w.secret_sealer(), w.sealer(), w._build_logs(w._attended()), w.exposures()\nprint(*sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SEALOCK_DATA_DIR": str(tmp_path), "SEALOCK_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    modules = result.stdout.split()
    assert "sealock.keeper.client" in modules
    opening = ("open", "old_keys", "keysets", "keyring", "kek", "backends", "backup", "process", "rotation")
    forbidden = ("sealock.keeping", *(f"sealock.keeper.{name}" for name in opening))
    assert not [name for name in modules if name in forbidden or name.startswith("sealock.keeper.backends")]
