"""An installation of the sample's own: its directories, its server, its first owner."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from sealock.cli.login import NEEDED

SEALOCK = Path(sys.executable).with_name("sealock")
UP = "Sealock runs at "
LINK = "/setup/"
SETTLED = 120.0
"""Seconds the server may take to end: builds that run are cancelled."""


@dataclass(frozen=True)
class Owner:
    """Who was made, for whoever wants to look around."""

    email: str
    password: str


class Installation:
    """settings: variables of the environment besides its own. any_port: do not take the usual ports."""

    def __init__(self, directory: Path, settings: Mapping[str, str], *, any_port: bool) -> None:
        website, workers = (_free_port(), _free_port()) if any_port else (8443, 8444)
        self.origin = f"https://localhost:{website}"
        self._process: subprocess.Popen[str] | None = None
        self.environment = {
            **os.environ,
            "SEALOCK_DATA_DIR": str(directory / "data"),
            # Another keeper may serve this host's own installation.
            "SEALOCK_KEEPER_SOCKET": str(directory / "keeper.sock"),
            "SEALOCK_ORIGIN": self.origin,
            "SEALOCK_LISTEN": f"127.0.0.1:{website}",
            "SEALOCK_WORKER_LISTEN": f"127.0.0.1:{workers}",
            "XDG_CONFIG_HOME": str(directory / "config"),
            **settings,
        }

    @contextmanager
    def up(self) -> Iterator[str]:
        """The server runs while the block does; gives the link that makes the first owner. RuntimeError if
        it does not come up, with what it said."""
        with subprocess.Popen(
            [SEALOCK, "up"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            self._process = process
            try:
                link = _link(process)
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
                yield link
            finally:
                _stop(process)

    @property
    def process(self) -> int:
        """The id of the server's process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def wait(self) -> None:
        """Until it ends."""
        assert self._process is not None
        self._process.wait()

    def authority(self) -> str:
        """The certificate of its own authority, PEM."""
        return self._output("authority")

    def told(self, *arguments: str) -> Any:
        """What a command says as JSON."""
        return json.loads(self._output(*arguments, "--json"))

    def must(self, *arguments: str) -> None:
        """A command without which there is no point in going on."""
        if code := self.run(*arguments):
            sys.exit(code)

    def run(self, *arguments: str, quiet: bool = False, given: str | None = None) -> int:
        """Run a command of Sealock to its end; Ctrl-C is for the command, which has cleaning up to do."""
        output = subprocess.DEVNULL if quiet else None
        source = subprocess.PIPE if given is not None else subprocess.DEVNULL
        with subprocess.Popen(
            [SEALOCK, *arguments],
            env=self.environment,
            stdin=source,
            stdout=output,
            stderr=output,
            text=True,
        ) as process:
            try:
                process.communicate(given)
            except BaseException:
                process.terminate()
                raise
        return process.returncode

    def _output(self, *arguments: str) -> str:
        return subprocess.run(
            [SEALOCK, *arguments], env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


def sign_up(installation: Installation, link: str) -> Owner:
    """Make the first owner by the link, and sign the command line in with a token of theirs."""
    owner = Owner("owner@example.com", secrets.token_urlsafe(12))
    trusted = ssl.create_default_context(cadata=installation.authority())
    # As a browser would say; a cookie without it is refused.
    here = {"Origin": installation.origin}
    with httpx2.Client(base_url=installation.origin, verify=trusted, headers=here) as client:
        who = {"email": owner.email, "name": "Owner", "password": owner.password}
        _ok(client.post("/api/setup", json={"link": link.rpartition("/")[2], **who}))
        wanted = {"name": "sample", "days": 1, "permissions": sorted(NEEDED)}
        token = _ok(client.post("/api/v1/tokens", json=wanted)).json()["token"]
    certificate = Path(installation.environment["SEALOCK_DATA_DIR"]) / "authority/certificate.pem"
    if installation.run("login", installation.origin, "--ca", str(certificate), "--token", "-", given=token):
        raise RuntimeError("the command line could not be signed in")
    return owner


def _ok(answer: httpx2.Response) -> httpx2.Response:
    if answer.is_error:
        raise RuntimeError(f"{answer.url} answered {answer.status_code}: {answer.text}")
    return answer


def _link(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said: list[str] = []
    link, is_up = "", False
    for line in process.stdout:
        said.append(line)
        is_up = is_up or line.startswith(UP)
        link = line.strip() if LINK in line and line.startswith(" ") else link
        if is_up and link:
            return link
    raise RuntimeError(f"the server did not come up:\n{''.join(said)}")


def _drain(process: subprocess.Popen[str]) -> None:
    """What it says from now on is not shown, but must be read, or it would stand still."""
    assert process.stdout is not None
    for _ in process.stdout:
        pass


def _stop(process: subprocess.Popen[str]) -> None:
    """Once for good order, once more to cancel what is built."""
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SETTLED / 8)
        except subprocess.TimeoutExpired:
            continue
        return
    try:
        process.wait(SETTLED)
    except subprocess.TimeoutExpired:
        process.kill()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
