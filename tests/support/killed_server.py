"""A whole server whose processes are killed at random while it is asked for builds.

Keeper, website and workers are processes of their own, each started anew as soon as it ends. What is asked
for over the API is asked again until it is answered, each time with the same key; so how many builds there
must be is known, whatever was killed in the middle of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import ssl
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from sealock.cli.children import Child
from sealock.cli.login import NEEDED
from sealock.core.access import Permission
from sealock.machines.reaper import marked_processes
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
UP = 300.0
AGAIN = 0.3
"""Seconds between two tries to ask a website that is away."""

MOST_WAIT = 20.0
"""Seconds for a build to begin before something is killed all the same."""

PASSWORD = "correct horse battery"


class Part:
    """A program of the server. It is started anew, at once, until it is stopped. said: all its lines."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.said: list[str] = []
        self.started = 0
        self._stopping = False
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once it serves."""
        self._task = asyncio.create_task(self._keep())
        async with asyncio.timeout(UP):
            while not self.child.is_up.is_set():
                assert not self._task.done(), "\n".join(self.said)
                await asyncio.sleep(0.02)

    def kill(self) -> bool:
        """Whether there was something to be killed."""
        process = self.child.process
        if process is None or process.returncode is not None:
            return False
        self.child.is_up.clear()
        self.child.tell(signal.SIGKILL)
        return True

    async def hold_back(self) -> None:
        """Kill it, and start it no more until `let_go`."""
        self._may_run.clear()
        self.child.is_up.clear()
        self.kill()
        await self.child.ended()

    async def let_go(self) -> None:
        """Start it again; return once it serves."""
        self._may_run.set()
        async with asyncio.timeout(UP):
            await self.child.is_up.wait()

    async def stop(self) -> int | None:
        """In good order; its exit code."""
        self._stopping = True
        self._may_run.set()
        self.child.tell(signal.SIGTERM)
        await self.child.ended()
        if self._task is not None:
            await self._task
        return self.child.process.returncode if self.child.process else None

    async def _keep(self) -> None:
        while not self._stopping:
            self.started += 1
            self.child.is_up.clear()
            await self.child.run(self._say)
            if not self._stopping:
                await asyncio.sleep(0.05)
            await self._may_run.wait()

    def _say(self, _: str, line: str) -> None:
        self.said.append(f"{time.monotonic():.2f} {line}")


@dataclass
class Asked:
    """What was asked for. builds: the ids that were answered. keys: each for one build."""

    builds: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)


class KilledServer:
    """root: for all it keeps. runtime: on tmpfs, with a short path. git_host: which its builds may reach."""

    def __init__(self, root: Path, runtime: Path, database: str, module: str) -> None:
        self.root, self.runtime, self.data = root, runtime, root / "data"
        self.origin = f"https://localhost:{free_port()}"
        self.workers_at = f"https://localhost:{free_port()}"
        self.asked = Asked()
        self.parts: dict[str, Part] = {}
        self._module = module
        port, workers_port = self.origin.rpartition(":")[2], self.workers_at.rpartition(":")[2]
        self.settings = {
            "SEALOCK_DATA_DIR": str(self.data),
            "SEALOCK_RUNTIME_DIR": str(runtime),
            "SEALOCK_ORIGIN": self.origin,
            "SEALOCK_LISTEN": f"127.0.0.1:{port}",
            "SEALOCK_WORKER_LISTEN": f"127.0.0.1:{workers_port}",
            "SEALOCK_GIT_ALLOW": "127.0.0.1",
            "SEALOCK_DATABASE": database,
            "SEALOCK_CONFIG": "",
        }
        self.client: httpx2.AsyncClient

    async def begin(self) -> None:
        """Start keeper and website, and make the first owner with a token."""
        await self._start("keeper", "keeper", "--attended", up="serving on ")
        link = await self._link()
        await self._start("website", "web", "--attended", up="serving on ")
        trusted = ssl.create_default_context(cafile=self.data / "authority/certificate.pem")
        self.client = httpx2.AsyncClient(
            base_url=self.origin, verify=trusted, headers={"Origin": self.origin}, timeout=60
        )
        who = {"email": "owner@example.com", "name": "Owner", "password": PASSWORD}
        await self.must("POST", "/api/setup", {"link": link, **who})
        wanted = {"name": "test", "days": 1, "permissions": sorted({*NEEDED, Permission.MEMBERS_WRITE})}
        token = (await self.must("POST", "/api/v1/tokens", wanted))["token"]
        self.client.cookies.clear()
        self.client.headers["Authorization"] = f"Bearer {token}"

    async def add_worker(self, name: str, machines: int) -> None:
        """A worker that has joined, and runs."""
        await self.must("POST", "/api/v1/workers", {"name": name, "machines": machines})
        token = (await self.must("POST", f"/api/v1/workers/{name}/invite"))["token"]
        join = self.root / "join"
        join.write_text(token)
        state = self.data / f"worker-{name}"
        command = ["worker", "--attended", "--server", self.workers_at, "--state", str(state)]
        command += ["--machines", str(machines)]
        part = await self._start(name, *command, "--join", str(join), up="ready", patience=120.0)
        part.child.command = self._command(*command)
        join.unlink()

    async def project(self, name: str, address: str, host_key: str, **settings: object) -> dict[str, Any]:
        """A project with a key of its own."""
        new = {"name": name, "address": address, "host_keys": [host_key]}
        made = await self.must("POST", "/api/v1/projects", new)
        found: dict[str, Any] = await self.must("PATCH", f"/api/v1/projects/{made['id']}", settings)
        return found

    async def must(self, method: str, path: str, body: object = None) -> Any:
        """Ask while nothing is killed."""
        answer = await self.client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def persist(self, method: str, path: str, body: object = None, key: str = "") -> Any:
        """Ask until it is answered, whatever is killed meanwhile; None for a refusal that will stay."""
        headers = {"Idempotency-Key": key} if key else {}
        while True:
            with suppress(httpx2.TransportError):
                answer = await self.client.request(method, path, json=body, headers=headers)
                self.asked.answers[f"{method} {answer.status_code}"] += 1
                if answer.is_success:
                    return answer.json()
                busy = answer.status_code in {409, 429} and "Retry-After" in answer.headers
                if answer.status_code < 500 and not busy:
                    return None
            await asyncio.sleep(AGAIN)

    async def ask_for(self, project: str, key: str, *pipelines: str) -> None:
        """A build, exactly one. pipelines: all that are tests, if none is named."""
        wanted = {"pipelines": pipelines} if pipelines else {}
        made = await self.persist("POST", f"/api/v1/projects/{project}/builds", wanted, key)
        assert made is not None, self.asked.answers
        self.asked.builds[key] = made["id"]

    async def log_of(self, build: str) -> bytes:
        """What people are shown of it, once nothing is killed any more."""
        while True:
            with suppress(httpx2.TransportError):
                answer = await self.client.get(f"/api/v1/builds/{build}/log/raw")
                if answer.status_code != 503:
                    assert answer.is_success, answer.text
                    return answer.content
            await asyncio.sleep(AGAIN)

    async def open_builds(self) -> list[dict[str, Any]]:
        """Those that have not ended. One that is put back goes from the second list to the first."""
        found: dict[str, dict[str, Any]] = {}
        for state in ("queued", "running", "queued"):
            for each in (await self.persist("GET", f"/api/v1/builds?state={state}&limit=100"))["items"]:
                found[each["id"]] = each
        return list(found.values())

    async def all_up(self) -> None:
        """Return once everything serves: what is only just starting does not end in good order."""
        async with asyncio.timeout(UP):
            for part in self.parts.values():
                await part.child.is_up.wait()

    async def stop(self) -> dict[str, int | None]:
        """All of it in good order, the last first; exit codes."""
        codes = {name: await part.stop() for name, part in reversed(list(self.parts.items()))}
        if hasattr(self, "client"):
            await self.client.aclose()
        return codes

    def machines(self) -> list[int]:
        """The processes of machines that its workers have now."""
        mine = {part.child.process.pid for part in self.parts.values() if part.child.process}
        return [pid for pid, _, owner in marked_processes() if owner.pid in mine]

    def told(self) -> str:
        """What its parts said last, for a failure's message."""
        return "\n".join(f"{name}: {line}" for name, part in self.parts.items() for line in part.said[-15:])

    async def _start(self, name: str, *arguments: str, up: str, patience: float = 120.0) -> Part:
        part = Part(Child(name, self._command(*arguments), up, patience))
        self.parts[name] = part
        await part.start()
        return part

    def _command(self, *arguments: str) -> list[str]:
        """`env` becomes the program, so that what is killed is the program itself."""
        kept = [f"{name}={value}" for name, value in self.settings.items() if value]
        gone = [part for name in os.environ if name.startswith("SEALOCK_") for part in ("-u", name)]
        return ["env", *gone, "-C", str(ROOT), *kept, sys.executable, "-m", self._module, *arguments]

    async def _link(self) -> str:
        """The website makes it at its first start, by hand."""
        said: list[str] = []
        first = Child("first website", self._command("web"), "serving on ")
        running = asyncio.create_task(first.run(lambda _, line: said.append(line)))
        async with asyncio.timeout(UP):
            while not first.is_up.is_set():
                assert not running.done(), said
                await asyncio.sleep(0.02)
        first.tell(signal.SIGTERM)
        await running
        found = re.search(r"/setup/(\S+)", "\n".join(said))
        assert found, said
        return found[1]


@dataclass
class Killer:
    """Kills the parts of a server, and its machines, at random."""

    server: KilledServer
    chance: random.Random
    names: Sequence[str]
    longest: float
    killed: Counter[str] = field(default_factory=Counter)

    async def kill(self, times: int) -> None:
        """So many times. Mostly there is a build to be struck; now and then it is two at once, or whatever
        is starting."""
        while self.killed.total() < times:
            if self.chance.random() < 0.8:
                await self._until_it_builds()
                await asyncio.sleep(self.chance.uniform(0.0, self.longest))
            name = self.chance.choice([*self.names, "machine"])
            if self._machine() if name == "machine" else self.server.parts[name].kill():
                self.killed[name] += 1
            else:
                await asyncio.sleep(0.05)

    async def _until_it_builds(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(MOST_WAIT):
                while not self.server.machines():  # noqa: ASYNC110 - of other processes
                    await asyncio.sleep(0.05)

    def _machine(self) -> bool:
        running = self.server.machines()
        if not running:
            return False
        with suppress(ProcessLookupError):
            os.kill(self.chance.choice(running), signal.SIGKILL)
            return True
        return False
