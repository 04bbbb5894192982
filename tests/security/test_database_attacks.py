"""P8: who sits on the way to the database reads nothing, changes nothing and cannot pose as it.

The server is a real one on loopback. It is reached by a name that is looked up to 127.0.0.1, so that to
Sealock it is another host.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from sealock.core.errors import SealockError, TemporaryError, UsageError
from sealock.store.database.engine import open_database
from tests.support.certificates import make_certificate
from tests.support.database_proxy import proxy
from tests.support.ports import free_port
from tests.support.postgres import PASSWORD, USER, Cluster, cluster, tls_settings

pytestmark = pytest.mark.anyio
HOST, IMPOSTOR = "database.example", "impostor.example"
CANARY = "a-canary-on-the-wire"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificates"), HOST)


@pytest.fixture(scope="module")
def server(certificates: tuple[Path, Path, Path]) -> Iterator[Cluster]:
    """It listens on loopback, with a certificate for `HOST`."""
    with cluster(lambda directory: tls_settings(directory, *certificates[1:]), port=free_port()) as made:
        yield made


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both names are looked up to loopback."""
    real = socket.getaddrinfo

    def look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in (HOST, IMPOSTOR) else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def url(host: str, port: int, authority: Path | None, *, password: str = PASSWORD, more: str = "") -> str:
    secret = password.replace(" ", "%20")
    said = f"sslrootcert={authority}" if authority else ""
    return f"postgresql://{USER}:{secret}@{host}:{port}/postgres?{said}{more}"


async def refused(where: str) -> SealockError:
    """What it is refused with."""
    with pytest.raises(SealockError) as error:
        async with open_database(where):
            pass
    assert PASSWORD not in str(error.value)
    return error.value


async def ask(where: str) -> bool:
    """Send the canary there; whether the server says that the connection is TLS."""
    async with open_database(where) as database, database.read() as connection:
        await connection.execute(text(f"SELECT '{CANARY}'"))
        encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        return bool((await connection.execute(text(encrypted))).scalar())


async def test_what_passes_is_tls(server: Cluster, certificates: tuple[Path, ...]) -> None:
    async with proxy(server.port) as listener:
        assert await ask(url(HOST, listener.port, certificates[0]))
        assert len(listener.heard) > 1000
        assert CANARY.encode() not in listener.heard
        assert USER.encode() not in listener.heard
        assert listener.heard[8:11] == b"\x16\x03\x01"  # after the request for TLS, its first record


async def test_the_listener_would_hear_plaintext(server: Cluster) -> None:
    async with proxy(server.port) as listener:
        assert not await ask(url("127.0.0.1", listener.port, None, more="sslmode=disable"))
        assert CANARY.encode() in listener.heard


async def test_who_takes_tls_out_of_the_way_gets_nothing(
    server: Cluster, certificates: tuple[Path, ...]
) -> None:
    async with proxy(server.port, strip=True) as attacker:
        error = await refused(url(HOST, attacker.port, certificates[0]))
        assert isinstance(error, UsageError)
        assert "does not speak TLS" in error.brief
        assert not attacker.heard


async def test_a_certificate_of_another_host_is_refused(
    server: Cluster, certificates: tuple[Path, ...]
) -> None:
    error = await refused(url(IMPOSTOR, server.port, certificates[0]))
    assert isinstance(error, UsageError)
    assert "certificate that is not its own" in error.brief
    assert HOST in error.details


async def test_a_certificate_of_another_authority_is_refused(server: Cluster, tmp_path: Path) -> None:
    other, *_ = make_certificate(tmp_path, HOST)
    for authority in (other, None):  # None: the system's own, which never heard of it
        error = await refused(url(HOST, server.port, authority))
        assert "certificate that is not its own" in error.brief


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca"])
async def test_plaintext_to_another_host_stops_the_start(
    server: Cluster, certificates: tuple[Path, ...], mode: str
) -> None:
    async with proxy(server.port) as listener:
        error = await refused(url(HOST, listener.port, certificates[0], more=f"&sslmode={mode}"))
        assert "without verified TLS" in error.brief
        assert not listener.heard


async def test_the_environment_leads_nowhere_else(
    server: Cluster, certificates: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq reads variables for all that is not said. None of these may weaken or turn the way."""
    async with proxy(server.port) as elsewhere:
        for name, value in {
            "PGHOST": "127.0.0.1",
            "PGHOSTADDR": "127.0.0.9",
            "PGPORT": str(elsewhere.port),
            "PGSSLMODE": "disable",
            "PGSSLROOTCERT": "/nonexistent",
            "PGGSSENCMODE": "require",
            "PGSSLMINPROTOCOLVERSION": "TLSv1",
        }.items():
            monkeypatch.setenv(name, value)
        assert await ask(url(HOST, server.port, certificates[0]))
        assert not elsewhere.heard


async def test_a_wrong_password_is_told_without_it(server: Cluster, certificates: tuple[Path, ...]) -> None:
    error = await refused(url(HOST, server.port, certificates[0], password="battery staple"))
    assert isinstance(error, UsageError)
    assert "refuses our password" in error.brief
    assert "battery staple" not in str(error)
    assert "battery staple" not in repr(error.__cause__)


async def test_nobody_there_is_told(certificates: tuple[Path, ...]) -> None:
    error = await refused(url(HOST, free_port(), certificates[0]))
    assert isinstance(error, TemporaryError)
    assert "cannot be reached" in error.brief
