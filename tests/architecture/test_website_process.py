"""P16: a website's whole process, put together as it is served, has nothing in it that could reach a machine
or a repository, start a program of ours, or open what is sealed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CODE = """
import asyncio, json, sys
from sealock.wiring import Wiring
server = Wiring().server()
asyncio.run(server.make_ready())
async def main():
    async with server._open_parts(print) as parts:
        from sealock.web.app import make_app
        from sealock.web.worker_api import make_worker_app
        make_app(parts.web, server._origin), make_worker_app(parts.workers)
asyncio.run(main())
print(json.dumps(sorted(sys.modules)))
"""
HANDS = ("asyncssh", "qemu", "paramiko", "dulwich", "pygit2")
"""Libraries that reach a machine or a repository."""

OURS = (
    "sealock.machines",
    "sealock.link",
    "sealock.working",
    "sealock.pipeline",
    "sealock.providers.git.dial",
    "sealock.providers.git.local",
    "sealock.providers.git.snapshot",
    "sealock.providers.git.commands",
    "sealock.keeping",
    "sealock.keeper.attend",
    "sealock.keeper.backends",
    "sealock.keeper.care",
    "sealock.keeper.kek",
    "sealock.keeper.keysets",
    "sealock.keeper.old_keys",
    "sealock.keeper.process",
    "sealock.keeper.desk",
)
"""Rooms and modules that do, start programs, or open what is sealed to an owner."""


def loaded_with_it(directory: Path) -> list[str]:
    """The modules of a process that has put a website together."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")}
    result = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**clean, "SEALOCK_DATA_DIR": f"{directory}/data", "SEALOCK_RUNTIME_DIR": f"{directory}/run"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found: list[str] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_it_has_nothing_that_reaches_a_machine_or_a_repository_or_opens(tmp_path: Path) -> None:
    loaded = loaded_with_it(tmp_path)
    assert not [name for name in loaded if name.split(".")[0] in HANDS]
    assert not [name for name in loaded for room in OURS if name == room or name.startswith(f"{room}.")]
    assert {"sealock.web.pages.build", "sealock.keeper.relay", "sealock.store.database.builds"} <= set(loaded)


def test_what_it_must_not_have_is_there_to_be_had() -> None:
    """Or the test above would look for names that no longer exist."""
    source = Path(__file__).parents[2] / "src"
    for name in OURS:
        path = source / Path(*name.split("."))
        assert path.is_dir() or path.with_suffix(".py").is_file(), name
