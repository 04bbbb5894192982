"""Of a keeper elsewhere: what it must know of us, and what is told of each way not to reach it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.keeper import protocol
from sealock.keeper.authorities import read_authorities
from sealock.keeper.identity import load_or_create
from sealock.keeper.introduction import introduce
from sealock.keeper.peers import Peer, PeerRole, Peers
from sealock.keeper.remote_door import NoTrust, RemoteAway, RemoteDoor
from sealock.keeper.tls import TlsFiles, client_tls, server_tls
from tests.support.keeper_tls import Authority

LOCAL = Peer("local", frozenset(PeerRole))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


def files(authority: Authority, name: str = "builds") -> TlsFiles:
    certificate, key, _ = authority.issue(name)
    return TlsFiles(certificate, key, authority.certificate)


def test_an_introduction_is_what_the_keeper_reads(authority: Authority, tmp_path: Path) -> None:
    certificate, _, fingerprint = authority.issue("builds")
    owner = load_or_create(tmp_path / "data" / "owner-key")
    place = tmp_path / "authorities.json"
    place.write_text(introduce("builds", owner, certificate))
    place.chmod(0o600)
    found = read_authorities(place)
    assert found.sessions == (owner.public_key().public_bytes_raw(),)
    (peer,) = found.peers.by_certificate.values()
    assert list(found.peers.by_certificate) == [fingerprint]
    assert peer.name == "builds"
    assert PeerRole.CUSTODIAN not in peer.roles
    assert PeerRole.WORKER in peer.roles


@pytest.mark.parametrize("name", ["", "Builds", "a b", "-a", "a" * 64, "a\n"])
def test_a_name_the_keeper_would_not_read_is_refused(name: str, authority: Authority, tmp_path: Path) -> None:
    certificate, _, _ = authority.issue("builds")
    with pytest.raises(UsageError, match="cannot be a peer's name"):
        introduce(name, load_or_create(tmp_path / "data" / "owner-key"), certificate)


def test_without_a_certificate_nothing_is_introduced(tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text(json.dumps("none"))
    owner = load_or_create(tmp_path / "data" / "owner-key")
    for place in (tmp_path / "certificate.pem", tmp_path / "missing.pem"):
        with pytest.raises(UsageError, match="there is no certificate"):
            introduce("builds", owner, place)


def test_no_two_peers_have_one_name() -> None:
    ours = Peers(by_user={0: LOCAL})
    with pytest.raises(UsageError, match="are called local"):
        ours.joined(Peers(by_certificate={"ab" * 32: LOCAL}))
    web = Peer("web", frozenset({PeerRole.RELAY}))
    assert ours.joined(Peers(by_user={0: web})).by_user == {0: web}


def certificate_error(text: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, text)
    error.verify_message = text
    return error


def reason(text: str) -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = text
    return error


def cut_short() -> protocol.BadFrame:
    error = protocol.BadFrame("cut short")
    error.__cause__ = EOFError()
    return error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (certificate_error("certificate has expired"), NoTrust, "not the keeper we trust"),
        (reason("TLSV13_ALERT_CERTIFICATE_REQUIRED"), NoTrust, "did not accept our certificate"),
        (reason("TLSV1_ALERT_UNKNOWN_CA"), NoTrust, "did not accept our certificate"),
        (reason("TLSV1_ALERT_PROTOCOL_VERSION"), NoTrust, "does not speak TLS 1.3"),
        (reason("WRONG_VERSION_NUMBER"), NoTrust, "does not speak TLS 1.3"),
        (ConnectionResetError(), RemoteAway, "hung up without a word"),
        (cut_short(), RemoteAway, "hung up without a word"),
        (ConnectionRefusedError(111, "refused"), RemoteAway, "none is started on this host"),
        (TimeoutError("no reply within 20 seconds"), RemoteAway, "no reply within 20 seconds"),
        (protocol.BadFrame("not a reply"), RemoteAway, "not a reply"),
    ],
)
def test_each_way_not_to_get_in_is_told_as_what_it_is(
    error: Exception, kind: type[Exception], text: str, authority: Authority
) -> None:
    told = RemoteDoor("keeper.example", 7443, client_tls(files(authority))).told(error)
    assert isinstance(told, kind)
    assert text in str(told)
    assert "keeper.example:7443" in told.brief
    assert told.resolution


@pytest.mark.parametrize("side", [server_tls, client_tls])
def test_files_that_do_not_belong_together_are_no_tls(
    side: Callable[[TlsFiles], ssl.SSLContext], authority: Authority
) -> None:
    good = files(authority)
    other = files(authority, "other")
    missing = good.key.with_name("missing.pem")
    for bad in (
        TlsFiles(good.certificate, other.key, good.authority),
        TlsFiles(missing, good.key, good.authority),
        TlsFiles(good.certificate, missing, good.authority),
        TlsFiles(good.certificate, good.key, missing),
        TlsFiles(good.certificate, good.key, good.key),
    ):
        with pytest.raises(UsageError, match="there is no TLS with the files"):
            side(bad)


@pytest.mark.parametrize("side", [server_tls, client_tls])
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_files_that_others_can_change_are_no_tls(
    side: Callable[[TlsFiles], ssl.SSLContext], mode: int, authority: Authority
) -> None:
    """Whoever can put an authority of theirs there passes for the other side."""
    good = files(authority)
    for path in (good.certificate, good.authority):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(UsageError) as refused:
            side(good)
        assert "can be changed by somebody else" in refused.value.details
        path.chmod(before)
    good.key.chmod(0o640)
    with pytest.raises(UsageError) as refused:
        side(good)
    assert "others may read" in refused.value.details
    good.key.chmod(0o600)
    side(good)
