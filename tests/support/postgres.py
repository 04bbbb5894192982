"""A private PostgreSQL cluster in a temporary directory, for the tests that need the real thing.

PostgreSQL refuses to run as root, so root starts it as the user Debian's package made. It listens on a Unix
socket, or on loopback with TLS where a test is about the way there.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade

USER = "sealock"
PASSWORD = "correct horse"
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}


def programs() -> Path:
    """Where the newest installed PostgreSQL's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    assert found, "PostgreSQL is not installed; scripts/setup does that"
    return found[-1].parent


def _account() -> pwd.struct_passwd:
    return pwd.getpwnam("postgres") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


def _as_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    account = _account()
    return [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]


class Cluster:
    """One cluster. directory: of its socket. port: also part of the socket's name."""

    def __init__(self, directory: Path, settings: dict[str, str], port: int) -> None:
        self.directory = directory
        self.port = port
        self._data = directory / "data"
        self._settings = settings
        self._server: subprocess.Popen[bytes] | None = None
        self._names = 0

    def make(self) -> None:
        """Initialise it. Over TCP a password is asked for."""
        password = self.directory / "password"
        password.write_text(PASSWORD)
        shutil.chown(password, _account().pw_uid)
        methods = ("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password}")
        plain = ("--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}")
        self._run("initdb", *plain, *methods, "-D", str(self._data))

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {**_FAST, "unix_socket_directories": str(self.directory), **self._settings}
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        chosen += ["-D", str(self._data), "-p", str(self.port)]
        ends_with_us = ("--pdeathsig", "INT")  # however the tests end
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                ["setpriv", *ends_with_us, *_as_user(), programs() / "postgres", *chosen],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._server.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it at once; who is connected is cut off."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(timeout=60)
            self._server = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a new, empty database, reached through the Unix socket."""
        self._names += 1
        name = f"test_{self._names}"
        self.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"postgresql://{USER}@:{self.port}/{name}?host={self.directory}"
        finally:
            self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.SQL | sql.Composed) -> None:
        """Run a statement as the superuser."""
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.directory), port=self.port, user=USER, dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            ["setpriv", *_as_user(), programs() / program, *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def cluster(
    settings: Callable[[Path], dict[str, str]] = lambda _: {"listen_addresses": ""}, *, port: int = 5432
) -> Iterator[Cluster]:
    """A running cluster. settings: for one in that directory; by default it has a Unix socket alone."""
    directory = Path(tempfile.mkdtemp(prefix="sealock-pg-"))
    account = _account()
    os.chown(directory, account.pw_uid, account.pw_gid)
    # To the socket in it: a website is no more than its user, root or not.
    directory.chmod(0o711)
    made = Cluster(directory, settings(directory), port)
    try:
        made.make()
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory)


def tls_settings(directory: Path, certificate: Path, key: Path) -> dict[str, str]:
    """Settings to listen on loopback with this certificate. The files are copied into `directory`, which must
    be readable by PostgreSQL's user; the key belongs to it, as it demands."""
    account = _account()
    for path in (certificate, key):
        copy = directory / path.name
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        os.chown(copy, account.pw_uid, account.pw_gid)
    return {
        "listen_addresses": "127.0.0.1",
        "ssl": "on",
        "ssl_cert_file": str(directory / certificate.name),
        "ssl_key_file": str(directory / key.name),
    }


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """One cluster for all tests; each takes a database of its own from it."""
    with cluster() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database: of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/sealock.db"
    else:
        with request.getfixturevalue("postgres").database() as url:
            yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database of each kind, with its tables."""
    async with open_database(database_url) as opened:
        await upgrade(opened)
        yield opened
