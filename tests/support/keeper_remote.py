"""A keeper and a host that asks it over TLS on loopback, set up by the words of docs/keeper.md."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.keeper_process import RunningKeeper, environment, running_keeper

PAGE = Path(__file__).parents[2] / "docs" / "keeper.md"
NAME = "localhost"
"""What the keeper's certificate is for."""


def make_certificates(place: Path, name: str = NAME) -> None:
    """Run the page's own commands: `keeper` and `builds` in `place`, with the authority beside them."""
    (commands,) = re.findall(r"```sh\n(mkdir keeper.*?)```", PAGE.read_text(), re.DOTALL)
    place.mkdir()
    commands = commands.replace("keeper.example.internal", name)
    subprocess.run(["bash", "-euc", commands], cwd=place, check=True, capture_output=True)


@dataclass(frozen=True)
class AskingHost:
    """An installation whose keeper is elsewhere. directory: holds `data` and `run`."""

    directory: Path
    port: int
    tls: Path
    name: str = NAME

    @property
    def settings(self) -> dict[str, str]:
        return environment(self.directory) | {
            "SEALOCK_KEEPER_ADDRESS": f"{self.name}:{self.port}",
            "SEALOCK_KEEPER_CLIENT_TLS_DIR": str(self.tls),
            "SEALOCK_TRACEBACK": "",
        }

    def __call__(self, *arguments: str, typed: str = "") -> tuple[int, str, str]:
        """Run a command to its end: exit code, standard output, standard error."""
        (self.directory / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "sealock", *arguments],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env=self.settings,
        )
        return done.returncode, done.stdout, done.stderr


def admit(directory: Path, introduction: str) -> None:
    """Put what a host said of itself into the keeper's table, in the place of what was there."""
    place = directory / "data" / "keeper"
    place.mkdir(parents=True, mode=0o700, exist_ok=True)
    json.loads(introduction)
    (place / "authorities.json").write_text(introduction)
    (place / "authorities.json").chmod(0o600)


@contextmanager
def listening_keeper(directory: Path, port: int, tls: Path) -> Iterator[RunningKeeper]:
    """The keeper in `directory`, reached from other hosts as well."""
    listens = [f"SEALOCK_KEEPER_LISTEN=127.0.0.1:{port}", f"SEALOCK_KEEPER_TLS_DIR={tls}"]
    directory.mkdir(exist_ok=True)
    with running_keeper(directory, ["env", *listens]) as keeper:
        yield keeper
