"""A Redis server of a test's own: on loopback with TLS and a password, or on a Unix socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

from sealock.core.queue import Wakeups
from sealock.core.secret import Secret
from sealock.store.redis.address import RedisServer, server_of
from tests.support.certificates import make_certificate
from tests.support.ports import free_port

PASSWORD = "correct horse"


class RedisProcess:
    """A server that can be killed and started anew in the same place. authority: of its certificate. users:
    lines as in its configuration; none means that there is one, with `PASSWORD`."""

    def __init__(self, directory: Path, users: Sequence[str] = ()) -> None:
        self.directory = directory
        self._users = users
        self.port = free_port()
        self.authority, self._certificate, self._key = make_certificate(directory)
        self.socket = directory / "redis.sock"
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        """Over TLS."""
        return Secret(f"rediss://:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self.port}/0".encode())

    @property
    def server(self) -> RedisServer:
        """It, verified."""
        return server_of(self.url, self.authority)

    def certify(self, directory: Path, host: str = "127.0.0.1") -> None:
        """Give it another certificate, of another authority."""
        directory.mkdir()
        _, self._certificate, self._key = make_certificate(directory, host)

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is not installed; scripts/setup does that"
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", program, *self._options()],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        while not self._listens():
            assert self._server.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "Redis does not listen"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does; it kept nothing."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def _options(self) -> list[str]:
        said = {
            "port": "0",
            "bind": "127.0.0.1",
            "tls-port": str(self.port),
            "tls-cert-file": str(self._certificate),
            "tls-key-file": str(self._key),
            "tls-auth-clients": "no",
            "requirepass": PASSWORD,
            "unixsocket": str(self.socket),
            "save": "",
            "appendonly": "no",
        }
        if self._users:
            del said["requirepass"]
        users = [part for line in self._users for part in ("--user", *line.split())]
        return [part for name, value in said.items() for part in (f"--{name}", value)] + users

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return self.socket.exists()


@contextmanager
def redis_process(users: Sequence[str] = ()) -> Iterator[RedisProcess]:
    """A server that runs. users: as of `RedisProcess`."""
    directory = Path(tempfile.mkdtemp(prefix="sealock-redis-"))
    made = RedisProcess(directory, users)
    try:
        made.start()
        yield made
    finally:
        made.kill()
        shutil.rmtree(directory)


async def settled(*all_of_them: Wakeups) -> None:
    """Whatever each of them has told until now has been heard by the others, what beginning told among it."""
    for teller, hearer in permutations(all_of_them, 2):
        for _ in range(2):  # what is told at once goes out in any order
            async with hearer.subscribe("settled") as told:
                await teller.tell("settled")
                assert await told.wait(60)
