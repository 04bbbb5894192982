"""Answers a guest's fetch from a repository on this host with `git upload-pack`, which only reads.

Each connection is one process, joined to it by a socket pair. All of them end with the block that holds
the repository open.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from pathlib import Path

from sealock.providers.git.commands import SAFE, environment

IDLE_SECONDS = 300
"""A fetch that says nothing for this long is ended."""


class Uploads:
    """The `git upload-pack` processes of one repository. env: where its snapshot's objects lie."""

    def __init__(self, git_dir: Path, env: Mapping[str, str]) -> None:
        self.env = env
        self._git_dir = git_dir
        self._processes: set[Process] = set()

    async def connect(self) -> tuple[StreamReader, StreamWriter]:
        """Start one and return our end of its connection. OSError if it cannot be started."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *("git", *SAFE, "-c", "uploadpack.allowAnySHA1InWant=true"),
                    *("upload-pack", "--strict", f"--timeout={IDLE_SECONDS}", "--", str(self._git_dir)),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=DEVNULL,
                    env=environment({**self.env, "GIT_PROTOCOL": "version=2"}),
                )
            except OSError:
                ours.close()
                raise
        self._processes.add(process)
        return await asyncio.open_connection(sock=ours)

    async def close(self) -> None:
        """End those that still run; every one of them is reaped when this returns."""
        while self._processes:
            process = self._processes.pop()
            if process.returncode is None:
                process.kill()
            await process.wait()
