"""The whole server for a benchmark: `sealock up` with its worker, a Git server on loopback, and somebody
signed in. It stands on the sample's own installation, so what is measured is what `make run` starts."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from scripts.sample.git_server import HOST, GitServer
from scripts.sample.installation import Installation, sign_up
from sealock.core.secret import Secret
from sealock.settings import load
from sealock.web.cookies import NAME
from sealock.web.hooks import SIGNATURE, sign

LONGEST = 180.0
"""Seconds a build may take until something is seen of it, on a host that is busy."""
PAUSE = 0.1


@dataclass
class Project:
    """Of one repository. secret: its hook is signed with it."""

    id: str
    address: str
    repository: str
    secret: Secret
    commit: str
    told: int = field(default=0)


class WholeServer:
    """client: signed in as the owner. cookie: what a browser is signed in by."""

    def __init__(
        self, installation: Installation, git: GitServer, directory: Path, client: httpx2.AsyncClient
    ) -> None:
        self.installation, self.git, self.client = installation, git, client
        self._directory = directory
        self.url = installation.origin

    @property
    def cookie(self) -> dict[str, Any]:
        """For Playwright's `add_cookies`."""
        value = self.client.cookies[NAME]
        return {
            "name": NAME,
            "value": value,
            "url": self.url,
            "secure": True,
            "httpOnly": True,
            "sameSite": "Lax",
        }

    def add_project(self, name: str, configuration: str) -> Project:
        """A project whose repository has that `sealock.yml` and a few files besides."""
        repository, tree = f"{name}.git", self._directory / name
        tree.mkdir()
        (tree / "sealock.yml").write_text(configuration, encoding="utf-8")
        for number in range(20):
            (tree / f"module_{number}.py").write_text(f"NUMBER = {number}\n" * 50, encoding="utf-8")
        commit = self.git.publish(repository, tree)
        address = self.git.address(repository)
        made = self.installation.told("projects", "create", name, address, "--host-key", self.git.host_key)
        self.git.authorize(str(made["public_key"]), repository)
        hook = self.installation.told("projects", "hook", name)
        return Project(str(made["id"]), address, repository, Secret(str(hook["secret"]).encode()), commit)

    async def tell(self, project: Project) -> None:
        """Tell of a push to `main`, as the Git server's hook does. Each is another push of the commit."""
        project.told += 1
        body = json.dumps(
            {
                "delivery": secrets.token_hex(16),
                "sent_at": int(time.time()),
                "repository": project.address,
                "ref": "refs/heads/main",
                "before": f"{project.told:040x}",
                "after": project.commit,
            }
        ).encode()
        headers = {SIGNATURE: sign(body, project.secret), "Content-Type": "application/json"}
        answer = await self.client.post(f"/hooks/git/{project.id}", content=body, headers=headers)
        assert answer.status_code == 202, answer.text

    async def latest(self, project: Project) -> dict[str, Any]:
        """The project's newest build."""
        found = await self.told(f"/api/v1/builds?project={project.id}&limit=1")
        newest: dict[str, Any] = found["items"][0]
        return newest

    async def told(self, path: str) -> Any:
        """What the API says."""
        answer = await self.client.get(path)
        answer.raise_for_status()
        return answer.json()

    def machines(self) -> frozenset[int]:
        """The processes of the machines that its worker has."""
        server, found = self.installation.process, set()
        for one in (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()):
            above = one
            while _is_machine(one) and above > 1 and above != server:
                above = _parent(above)
            if above == server != one:
                found.add(one)
        return frozenset(found)

    async def ended(self, build: str) -> dict[str, Any]:
        """The build, once it has ended."""
        async with asyncio.timeout(LONGEST):
            while True:
                found: dict[str, Any] = await self.told(f"/api/v1/builds/{build}?wait=5")
                if found["ended_at"] is not None:
                    return found


@asynccontextmanager
async def whole_server(directory: Path, **settings: str) -> AsyncIterator[WholeServer]:
    """It runs while the block does. directory: on tmpfs. settings: variables of the environment besides its
    own."""
    own = {
        "SEALOCK_IMAGES_DIR": str(load()[0].images_dir),
        "SEALOCK_RUNTIME_DIR": str(directory / "run"),
        "SEALOCK_GIT_ALLOW": HOST,
    }
    installation = Installation(directory, own | settings, any_port=True)
    with GitServer(directory / "git") as git, installation.up() as link:
        owner = await asyncio.to_thread(sign_up, installation, link)
        async with _client(installation) as client:
            who = {"email": owner.email, "password": owner.password}
            (await client.post("/api/session", json=who)).raise_for_status()
            yield WholeServer(installation, git, directory, client)


def _client(installation: Installation) -> httpx2.AsyncClient:
    trusted = ssl.create_default_context(cadata=installation.authority())
    # As a browser would say; a cookie without it is refused.
    here = {"Origin": installation.origin}
    return httpx2.AsyncClient(base_url=installation.origin, verify=trusted, headers=here, timeout=60)


def _parent(process: int) -> int:
    """0 if it is gone."""
    try:
        said = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    return int(said.rpartition(")")[2].split()[1])


def _is_machine(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").startswith("qemu-system")
    except OSError:
        return False
