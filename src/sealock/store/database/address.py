"""Where the database is, out of its URL, and whether the way there is safe.

A file is `sqlite:///PATH` (`sqlite:////PATH` from the root), a server `postgresql://USER@HOST/NAME`. On
another host it is reached with a certificate that is verified for that host's name, or not at all (P8).
Nothing of this is left to libpq's own defaults, which fall back to plaintext and read the environment.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from sealock.core.errors import UsageError

VERIFIED = "verify-full"
OPTIONS = frozenset({"host", "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"})
"""What a PostgreSQL URL may say. Others, such as `hostaddr` or `service`, could lead elsewhere."""

REDIRECTING = ("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR")
"""Variables that would let libpq take settings from a file that nobody checked."""

CERTIFICATE_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")


@dataclass(frozen=True)
class SqliteFile:
    """A database in a file. path: absolute, without links."""

    path: Path

    def __str__(self) -> str:
        return f"the database {self.path}"


@dataclass(frozen=True)
class PostgresServer:
    """A database of a PostgreSQL server. url: for SQLAlchemy. options: for libpq; they win over all else."""

    url: URL
    options: Mapping[str, str | int] = field(repr=False)

    def __str__(self) -> str:
        where = self.options["host"]
        return f"the database {self.url.database} on {where} (user {self.url.username})"


def place_of(url: str, environment: Mapping[str, str]) -> SqliteFile | PostgresServer:
    """What the URL names. environment: of this process. UsageError for a URL that is none of ours, a
    database in memory, or a server on another host without verified TLS."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _unusable("it cannot be read as a URL") from error
    if parsed.drivername == "sqlite":
        return _file(parsed)
    if parsed.drivername in ("postgresql", "postgres"):
        return _server(parsed, environment)
    raise _unusable(f"{parsed.drivername[:40]!r} is no database of ours")


def _file(url: URL) -> SqliteFile:
    if url.host or url.username or url.query:
        raise _unusable("a file has no host, user or options: three slashes come before its path")
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise _unusable("it names no file")
    return SqliteFile(Path(url.database).resolve())


def _server(url: URL, environment: Mapping[str, str]) -> PostgresServer:
    strange = sorted(set(url.query) - OPTIONS)
    if strange:
        raise _unusable(f"the option {strange[0]!r} is not known; there are {', '.join(sorted(OPTIONS))}")
    redirecting = [name for name in REDIRECTING if name in environment]
    if redirecting:
        raise UsageError(
            f"the variable {redirecting[0]} is set, which would change where the database is looked for",
            resolution="Unset it, and say everything in the database's URL.",
        )
    said = {name: _single(name, value) for name, value in url.query.items()}
    host = _host(url, said)
    if not url.database or not url.username:
        raise _unusable("it does not say which database or which user")
    options: dict[str, str | int] = {
        "host": host,
        "port": url.port or 5432,
        "hostaddr": "127.0.0.1" if host == "localhost" else "",  # whatever a resolver makes of the name
        "application_name": said.get("application_name", "sealock"),
        "gssencmode": "disable",  # else a Kerberos ticket would take the place of TLS
        "target_session_attrs": "read-write",  # not a replica that was promoted, or is yet to be
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "tcp_user_timeout": 30_000,  # milliseconds until a silent peer counts as gone
        **_tls(host, said),
    }
    return PostgresServer(url.set(drivername="postgresql+psycopg", query={}), options)


def _single(name: str, value: str | tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise _unusable(f"the option {name!r} is there twice")
    return value


def _host(url: URL, said: Mapping[str, str]) -> str:
    if url.host and "host" in said:
        raise _unusable("it names two hosts")
    host = url.host or said.get("host", "")
    if not host:
        raise _unusable("it names no host; a Unix socket is named by `?host=/its/directory`")
    if "," in host or host.startswith("@"):
        raise _unusable("it must name one host, or one directory of a Unix socket")
    return host


def stays_here(host: str) -> bool:
    """Whether what is sent to this host never leaves this machine: a Unix socket, or loopback."""
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls(host: str, said: Mapping[str, str]) -> dict[str, str | int]:
    mode = said.get("sslmode")
    if stays_here(host):
        mode = mode or "prefer"
    elif mode not in (None, VERIFIED):
        raise UsageError(
            f"the database on {host} would be reached without verified TLS: sslmode is {mode[:20]!r}",
            details="Somebody on the way could read everything, or pose as the database.",
            resolution=f"Say `sslmode={VERIFIED}`, or nothing, which means the same.",
        )
    else:
        mode = VERIFIED
    options: dict[str, str | int] = {
        "sslmode": mode,
        "ssl_min_protocol_version": "TLSv1.2",
        "sslnegotiation": "postgres",
        "sslcert": said.get("sslcert", ""),
        "sslkey": said.get("sslkey", ""),
    }
    if mode == VERIFIED or "sslrootcert" in said:
        options["sslrootcert"] = str(_authorities(said.get("sslrootcert")))
    return options


def _authorities(said: str | None) -> Path:
    """The certificates a server's certificate is checked against: the given file, or the system's own."""
    usual = ssl.get_default_verify_paths().cafile
    candidates = [said] if said else [*([usual] if usual else []), *CERTIFICATE_FILES]
    for candidate in candidates:
        if Path(candidate).is_file():
            return Path(candidate)
    raise UsageError(
        f"there is no file {candidates[0]} to check the database's certificate with",
        resolution="Name the file of its certificate authority in the URL: `?sslrootcert=/its/path`.",
    )


def _unusable(why: str) -> UsageError:
    return UsageError(
        "the database's URL cannot be used",
        details=f"{why[:1].upper()}{why[1:]}.",
        resolution="It is `sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`.",
    )
