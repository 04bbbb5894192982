"""Where Redis is, and the ways to it that are refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.secret import Secret
from sealock.store.redis.address import server_of
from tests.support.certificates import make_certificate


def test_over_tls_with_a_name_and_a_password(tmp_path: Path) -> None:
    authority, _, _ = make_certificate(tmp_path)
    server = server_of(Secret(b"rediss://site:p%40ss%2Fword@redis.example:6380/3"), authority)
    assert server.options == {
        "host": "redis.example",
        "port": 6380,
        "db": 3,
        "username": "site",
        "password": "p@ss/word",
    }
    assert server.tls is not None
    assert server.tls.verify_mode is ssl.CERT_REQUIRED
    assert server.tls.check_hostname
    assert server.tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(server.tls.get_ca_certs()) == 1, "and no other authority"
    for shown in (str(server), repr(server)):
        assert "p@ss" not in shown
        assert "p%40" not in shown


@pytest.mark.parametrize(
    ("url", "where"),
    [
        (b"redis://127.0.0.1", "127.0.0.1:6379"),
        (b"redis://localhost:7000/1", "localhost:7000"),
        (b"redis://[::1]:7000", "::1:7000"),
        (b"rediss://redis.example", "redis.example:6379"),
        (b"unix:///run/redis/redis.sock", "/run/redis/redis.sock"),
        (b"unix://site:secret@/run/redis.sock", "/run/redis.sock"),
    ],
)
def test_ways_that_are_safe(url: bytes, where: str) -> None:
    assert str(server_of(Secret(url))) == f"Redis at {where}"


def test_localhost_is_no_name_to_be_looked_up() -> None:
    assert server_of(Secret(b"redis://localhost")).options["host"] == "127.0.0.1"


@pytest.mark.parametrize(
    "url",
    [
        b"redis://redis.example",
        b"redis://192.0.2.1:6379",
        b"redis://127.0.0.1.example",
        b"redis://[2001:db8::1]",
    ],
)
def test_plaintext_to_another_host_is_refused(url: bytes) -> None:
    with pytest.raises(UsageError, match="without TLS") as refused:
        server_of(Secret(url))
    assert "rediss://" in refused.value.resolution


@pytest.mark.parametrize(
    "url",
    [
        b"rediss://redis.example?ssl_cert_reqs=none",
        b"rediss://redis.example/0?ssl_check_hostname=false",
        b"redis://127.0.0.1?host=redis.example",
        b"unix:///run/redis.sock?path=/elsewhere",
        b"unix://host/run/redis.sock",
        b"unix://",
        b"rediss://",
        b"rediss://redis.example:99999",
        b"rediss://redis.example:x",
        b"rediss://redis.example/x",
        b"rediss://redis.example,other.example",
        b"rediss://redis.example#x",
        b"http://redis.example",
        b"redis.example:6379",
        b"",
        b"rediss://[::1",
        b"\xff",
    ],
)
def test_what_is_no_url_of_redis_is_refused_without_its_password(url: bytes) -> None:
    url = url.replace(b"://", b"://:hunter2@", 1) if b"://" in url else url
    with pytest.raises(UsageError, match="cannot be used") as refused:
        server_of(Secret(url))
    assert "hunter2" not in str(refused.value)


def test_an_authority_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "none.pem", tmp_path / "empty.pem"):
        with pytest.raises(UsageError, match="no certificate"):
            server_of(Secret(b"rediss://redis.example"), path)
