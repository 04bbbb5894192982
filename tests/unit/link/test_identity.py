"""Whom a worker believes to be its website, by handshakes in memory."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from sealock.access.authority import Authority
from sealock.link.identity import trusting


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority", ["ci.example.com", "beside.example.com"])


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> str | None:
    """The version of TLS that the client agreed to. SSLError if it refuses the server."""
    here, there = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    asking = client.wrap_bio(*here, server_hostname=host)
    answering = server.wrap_bio(*there, server_side=True)
    for _ in range(4):
        for end, said, heard in ((asking, here[1], there[0]), (answering, there[1], here[0])):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
            heard.write(said.read())
    return asking.version()


def website(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.website_certificate().chain)
    return context


def test_a_worker_believes_the_host_that_its_authority_certified(authority: Authority) -> None:
    client = trusting(authority.certificate())
    assert shake_hands(client, website(authority), "ci.example.com") == "TLSv1.3"


def test_it_does_not_believe_one_host_in_the_place_of_another(authority: Authority, tmp_path: Path) -> None:
    """Both certified by the authority it trusts."""
    client = trusting(authority.certificate())
    only = Authority(tmp_path / "authority", ["beside.example.com"])
    with pytest.raises(ssl.SSLCertVerificationError, match="ostname mismatch"):
        shake_hands(client, website(only), "ci.example.com")


def test_it_does_not_believe_another_authority(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", ["ci.example.com"])
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        shake_hands(trusting(authority.certificate()), website(other), "ci.example.com")


def test_it_speaks_no_older_tls(authority: Authority) -> None:
    older = website(authority)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(trusting(authority.certificate()), older, "ci.example.com")
