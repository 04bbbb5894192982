"""Which places a database may be in, and how a PostgreSQL server is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.store.database.address import PostgresServer, SqliteFile, place_of, stays_here


def server(url: str) -> PostgresServer:
    place = place_of(url, {})
    assert isinstance(place, PostgresServer)
    return place


def test_a_file_is_named_from_here_or_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_of("sqlite:///a.db", {}) == SqliteFile(tmp_path / "a.db")
    assert place_of(f"sqlite:///{tmp_path}/b.db", {}) == SqliteFile(tmp_path / "b.db")


def test_a_link_is_followed_so_that_one_file_has_one_name(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    assert place_of(f"sqlite:///{tmp_path}/link.db", {}) == SqliteFile(tmp_path / "real.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sealock.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory",
        "sqlite:///a.db?mode=ro",
        "sqlite://host/a.db",
        "sqlite+pysqlite:///a.db",
        "mysql://user@localhost/sealock",
        "postgresql+asyncpg://user@localhost/sealock",
        "postgresql:///sealock",
        "postgresql://localhost/sealock",
        "postgresql://user@localhost/",
        "postgresql://user@localhost:port/sealock",
        "postgresql://user@one,two/sealock",
        "postgresql://user@/sealock?host=one,two",
        "postgresql://user@one/sealock?host=/run",
        "postgresql://user@/sealock?host=one&host=two",
        "postgresql://user@/sealock?host=@abstract",
    ],
)
def test_what_names_no_database_of_ours_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="URL cannot be used"):
        place_of(url, {})


@pytest.mark.parametrize(
    "option", ["hostaddr=192.0.2.1", "service=x", "passfile=/x", "options=-c%20x", "gssencmode=require"]
)
def test_an_option_that_could_lead_elsewhere_is_refused(option: str) -> None:
    with pytest.raises(UsageError, match="URL cannot be used") as refused:
        place_of(f"postgresql://user@localhost/sealock?{option}", {})
    assert option.split("=", maxsplit=1)[0] in refused.value.details


@pytest.mark.parametrize("name", ["PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"])
def test_a_variable_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        place_of("postgresql://user@localhost/sealock", {name: "x"})


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("/run/postgresql", True),
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost.example.org", False),
        ("localhost.", False),
        ("10.0.0.1", False),
        ("db", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_only_loopback_and_sockets_are_this_machine(host: str, here: bool) -> None:
    assert stays_here(host) is here


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca", "VERIFY-FULL"])
def test_another_host_is_not_reached_without_verified_tls(mode: str) -> None:
    with pytest.raises(UsageError, match="without verified TLS") as refused:
        place_of(f"postgresql://user:secret@db.example.org/sealock?sslmode={mode}", {})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("said", ["", "?sslmode=", "?sslmode=verify-full"])
def test_another_host_is_verified_by_the_systems_authorities(said: str) -> None:
    options = server(f"postgresql://user@db.example.org/sealock{said}").options
    assert options["sslmode"] == "verify-full"
    assert Path(str(options["sslrootcert"])).is_file()
    assert options["gssencmode"] == "disable"


def test_the_authority_may_be_named_and_must_be_there(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    url = f"postgresql://user@db.example.org/sealock?sslrootcert={authority}"
    with pytest.raises(UsageError, match=r"no file .*ca\.pem"):
        place_of(url, {})
    authority.touch()
    assert server(url).options["sslrootcert"] == str(authority)


def test_the_name_localhost_is_never_looked_up() -> None:
    assert server("postgresql://user@localhost/sealock").options["hostaddr"] == "127.0.0.1"
    # Empty, rather than missing: a missing one would be taken from PGHOSTADDR.
    assert server("postgresql://user@db.example.org/sealock").options["hostaddr"] == ""


def test_a_socket_is_reached_as_its_directory() -> None:
    place = server("postgresql://user@/sealock?host=/run/postgresql")
    assert place.options["host"] == "/run/postgresql"
    assert "sslrootcert" not in place.options


def test_a_place_is_told_without_its_password() -> None:
    place = server("postgresql://user:secret@localhost/sealock")
    assert "secret" not in f"{place} {place!r}"
    assert str(place) == "the database sealock on localhost (user user)"
