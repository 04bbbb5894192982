"""`sealock up` as a person starts it, with directories and ports of a test's own, and a project to build."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from sealock.cli.login import NEEDED
from sealock.core.access import Permission
from tests.support.images import cache_directory
from tests.support.ports import free_port

UP = "Sealock runs at "
PASSWORD = "correct horse battery"
PATIENCE = 600.0
"""Seconds for anything that a machine has part in; seconds on a quiet host."""


class Up:
    """One installation, whose server may be started again and again. lines: all that all its servers said."""

    def __init__(self, root: Path, runtime: Path) -> None:
        self.root, self.data = root, root / "data"
        website, workers = free_port(), free_port()
        self.origin = f"https://localhost:{website}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SEALOCK_")},
            "SEALOCK_DATA_DIR": str(self.data),
            "SEALOCK_IMAGES_DIR": str(cache_directory() / "images"),
            "SEALOCK_RUNTIME_DIR": str(runtime),
            "SEALOCK_ORIGIN": self.origin,
            "SEALOCK_LISTEN": f"127.0.0.1:{website}",
            "SEALOCK_WORKER_LISTEN": f"127.0.0.1:{workers}",
            "SEALOCK_GIT_ALLOW": "127.0.0.1",
            "SEALOCK_IMAGE": "base",
            "XDG_CONFIG_HOME": str(root / "config"),
        }
        self.python = sys.executable
        self.lines: list[str] = []
        self.process: subprocess.Popen[str]
        self._client: httpx2.Client | None = None
        self._reads_no_more = False

    def start(self, *, ready: bool = True, **settings: str) -> None:
        """Start it. ready: wait until it runs."""
        seen = len(self.lines)
        self.process = subprocess.Popen(
            [self.python, "-P", "-m", "sealock", "up", "--machines", "1"],
            env=self.environment | settings,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        if ready:
            self.until(
                lambda: any(UP in line for line in self.lines[seen:]) or self.process.poll() is not None
            )
            assert self.process.poll() is None, self.output

    def stop_reading(self) -> None:
        """Leave what it says from now on, but for the next line, to nobody."""
        self._reads_no_more = True

    def run(self, *arguments: str) -> str:
        """A command beside it, on the same installation, to its end; what it said."""
        done = subprocess.run(
            [self.python, "-P", "-m", "sealock", *arguments],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> int:
        """Have it end, at once if it must; its exit code."""
        for number in (signal.SIGTERM, signal.SIGTERM):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(60)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        self._reader.join(60)
        self.close()
        return code

    def close(self) -> None:
        """Forget the connections to a server that is gone."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def sign_up(self) -> None:
        """Make the first owner by the link it said, and a token."""
        found = re.search(r"/setup/(\S+)", self.output)
        assert found, self.output
        here = {"Origin": self.origin}
        with httpx2.Client(base_url=self.origin, verify=self._trusted(), headers=here) as client:
            who = {"email": "owner@example.com", "name": "Owner", "password": PASSWORD}
            assert client.post("/api/setup", json={"link": found[1], **who}).is_success
            wanted = {"name": "test", "days": 1, "permissions": sorted({*NEEDED, Permission.MEMBERS_WRITE})}
            self._token = client.post("/api/v1/tokens", json=wanted).json()["token"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask the API, again while the website is away."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._connected().request(method, f"/api/v1/{path}", json=body)
            except httpx2.TransportError:
                assert time.monotonic() < deadline, self.output
                time.sleep(0.2)
                continue
            assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
            is_json = answer.content and "json" in answer.headers.get("content-type", "")
            return answer.json() if is_json else answer.content

    def ended(self, build: str) -> dict[str, Any]:
        """The build once it has ended."""
        found: dict[str, Any] = {}

        def is_over() -> bool:
            found.update(self.ask("GET", f"builds/{build}"))
            return bool(found["state"] == "ended")

        self.until(is_over, every=0.5)
        return found

    def running(self, build: str, text: str) -> None:
        """Return once the build has printed that."""
        self.until(lambda: text.encode() in self._log(build), every=0.3)

    def child(self, name: str) -> int:
        """The process of that command among its children."""
        found: list[int] = []

        def is_there() -> bool:
            found[:] = [pid for pid, said in self._children() if name in said]
            return len(found) == 1

        self.until(is_there)
        return found[0]

    def children(self) -> list[int]:
        """All of them."""
        return [pid for pid, _ in self._children()]

    def until(self, holds: Callable[[], bool], *, every: float = 0.05, patience: float = PATIENCE) -> None:
        """Wait for it."""
        deadline = time.monotonic() + patience
        while not holds():
            assert time.monotonic() < deadline, self.output
            time.sleep(every)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def _children(self) -> list[tuple[int, list[str]]]:
        found = []
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in map(int, text.split()):
            with suppress(OSError):
                found.append((pid, Path(f"/proc/{pid}/cmdline").read_text().split("\0")))
        return found

    def _log(self, build: str) -> bytes:
        with suppress(httpx2.TransportError):
            return self._connected().get(f"/api/v1/builds/{build}/log/raw").content
        return b""

    def _connected(self) -> httpx2.Client:
        if self._client is None:
            headers = {"Authorization": f"Bearer {self._token}"}
            self._client = httpx2.Client(
                base_url=self.origin, verify=self._trusted(), headers=headers, timeout=30
            )
        return self._client

    def _trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.data / "authority/certificate.pem")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as said:  # its end is the end of whoever was started as well
            for line in said:
                self.lines.append(line.rstrip())
                if self._reads_no_more:
                    return
