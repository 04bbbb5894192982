"""Attacks on the keeper's way to other hosts: strangers get no byte, and no false keeper is sent one."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sealock.keeper import protocol
from sealock.keeper.handshakes import MOST_HANDSHAKES
from tests.support.keeper_process import RunningKeeper
from tests.support.keeper_remote import (
    NAME,
    AskingHost,
    admit,
    listening_keeper,
    make_certificates,
)
from tests.support.ports import free_port

pytestmark = pytest.mark.slow

ASKED = protocol.encode_request(protocol.AskStatus())
FRAME = len(ASKED).to_bytes(4, "big") + ASKED
STATUS = ("keeper", "status")
HUNG_UP = "it hung up without a word"
NOT_OURS = "is not the keeper we trust"


@dataclass
class Hosts:
    """A keeper that runs, a host it knows, and the certificates of both. other: of another authority."""

    place: Path
    keeper: RunningKeeper
    builds: AskingHost
    certificates: Path
    other: Path

    def with_tls(self, certificate: Path, authority: Path) -> AskingHost:
        """A host with that certificate's directory, which trusts that authority."""
        made = self.place / f"tls-{certificate.parent.name}-{certificate.name}"
        shutil.copytree(certificate, made, dirs_exist_ok=True)
        shutil.copy(authority, made / "authority.pem")
        return replace(self.builds, tls=made)

    def log(self) -> str:
        self.keeper.end()
        return self.keeper.log


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("certificates")
    make_certificates(place / "ours")
    make_certificates(place / "other")
    return place / "ours", place / "other"


@pytest.fixture
def hosts(tmp_path: Path, certificates: tuple[Path, Path]) -> Iterator[Hosts]:
    ours, other = certificates
    port = free_port()
    builds = AskingHost(tmp_path / "builds", port, ours / "builds")
    code, introduction, err = builds("keeper", "introduce", "builds")
    assert code == 0, err
    admit(tmp_path / "keeper", introduction)
    with listening_keeper(tmp_path / "keeper", port, ours / "keeper") as keeper:
        code, _, err = builds(*STATUS)
        assert code == 0, err
        yield Hosts(tmp_path, keeper, builds, ours, other)
        assert not keeper.ledger.exists() or keeper.ledger.read_bytes() == b""


def told(host: AskingHost, *arguments: str) -> str:
    """What the host's operator is told when it does not work."""
    code, out, err = host(*(arguments or STATUS))
    assert (code, out) == (3, "")
    assert "What to do: " in err
    assert "Traceback" not in err
    return err


def client(*, certificate: Path | None = None) -> ssl.SSLContext:
    """Believes every server, unlike ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    return context


def attack(port: int, context: ssl.SSLContext | None, first: bytes = b"") -> bytes:
    """Everything the keeper says to a request, until it hangs up. first: is sent before the handshake."""
    said = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        raw.sendall(first)
        if context is None:
            raw.sendall(FRAME)
            while piece := raw.recv(4096):
                said += piece
            return said
        with context.wrap_socket(raw, server_hostname=NAME) as connection:
            connection.sendall(FRAME)
            while piece := connection.recv(4096):
                said += piece
    return said


def test_the_attack_gets_an_answer_with_the_right_certificate(hosts: Hosts) -> None:
    said = attack(hosts.builds.port, client(certificate=hosts.certificates / "builds"))
    assert b'"peer":"builds"' in said


def test_without_a_certificate(hosts: Hosts) -> None:
    assert attack(hosts.builds.port, client()) == b""
    assert "peer did not return a certificate" in hosts.log()


def test_with_a_certificate_of_another_authority(hosts: Hosts) -> None:
    assert attack(hosts.builds.port, client(certificate=hosts.other / "builds")) == b""
    host = hosts.with_tls(hosts.other / "builds", hosts.certificates / "authority.pem")
    assert HUNG_UP in told(host)
    assert HUNG_UP in told(host, "secrets", "exposures", "0" * 32)
    assert "its certificate is not accepted" in hosts.log()


def test_with_a_certificate_of_our_authority_that_is_not_in_the_table(hosts: Hosts) -> None:
    shown = hosts.certificates / "keeper"
    second = hosts.place / "second"
    shutil.copytree(hosts.certificates / "builds", second)
    command = [*("openssl", "req", "-x509", "-noenc", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")]
    command += ["-CA", str(hosts.certificates / "authority.pem"), "-subj", "/CN=builds"]
    command += ["-CAkey", str(hosts.certificates / "authority.key"), "-addext", "basicConstraints=CA:FALSE"]
    command += ["-keyout", str(second / "key.pem"), "-out", str(second / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True)
    assert attack(hosts.builds.port, client(certificate=second)) == b""
    err = told(replace(hosts.builds, tls=second))
    assert HUNG_UP in err
    assert "sealock keeper introduce" in err
    # The keeper's own certificate is for serving alone.
    assert attack(hosts.builds.port, client(certificate=shown)) == b""
    log = hosts.log()
    assert "not a peer" in log
    assert "unsuitable certificate purpose" in log


def test_in_plain_text(hosts: Hosts) -> None:
    assert b"epoch" not in attack(hosts.builds.port, None)
    assert "no TLS with it" in hosts.log()


def test_what_is_sent_before_the_handshake_is_not_taken_for_a_peers(hosts: Hosts) -> None:
    context = client(certificate=hosts.certificates / "builds")
    assert b"epoch" not in attack(hosts.builds.port, context, first=FRAME)


def test_with_an_older_version_of_tls(hosts: Hosts) -> None:
    context = client(certificate=hosts.certificates / "builds")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert attack(hosts.builds.port, context) == b""
    assert "unsupported protocol" in hosts.log()


def test_silent_strangers_do_not_hold_up_who_is_on_the_keepers_host(hosts: Hosts) -> None:
    port = hosts.builds.port
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST_HANDSHAKES + 8)]
    try:
        began = time.monotonic()
        assert asyncio.run(hosts.keeper.client().status()).version
        assert time.monotonic() - began < 5
        # Nor others for longer than a handshake may take.
        assert hosts.builds(*STATUS)[0] == 0
    finally:
        for connection in silent:
            connection.close()


@contextmanager
def pretends(tls: Path, *, version: ssl.TLSVersion | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """Something else in the keeper's place: its port, and what it was sent. version: the latest it speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "certificate.pem", tls / "key.pem")
    if version is not None:
        context.maximum_version = version
    sent: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_pretend, args=(listening, context, sent))
        thread.start()
        try:
            yield listening.getsockname()[1], sent
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _pretend(listening: socket.socket, context: ssl.SSLContext, sent: list[bytes]) -> None:
    while True:
        try:
            raw, _ = listening.accept()
        except OSError:
            return
        raw.settimeout(60)
        with suppress(OSError), raw, context.wrap_socket(raw, server_side=True) as connection:
            sent.append(connection.recv(4096))


@pytest.fixture
def asking(tmp_path: Path, certificates: tuple[Path, Path]) -> AskingHost:
    return AskingHost(tmp_path / "builds", 1, certificates[0] / "builds")


def test_what_pretends_is_asked_if_it_has_the_keepers_certificate(
    asking: AskingHost, certificates: tuple[Path, Path]
) -> None:
    with pretends(certificates[0] / "keeper") as (port, sent):
        assert HUNG_UP in told(replace(asking, port=port))
    assert sent == [FRAME]


def test_a_server_with_the_certificate_of_another_authority_is_sent_nothing(
    asking: AskingHost, certificates: tuple[Path, Path]
) -> None:
    with pretends(certificates[1] / "keeper") as (port, sent):
        assert NOT_OURS in told(replace(asking, port=port))
    assert sent == []


def test_a_server_with_a_certificate_for_another_host_is_sent_nothing(
    asking: AskingHost, certificates: tuple[Path, Path]
) -> None:
    with pretends(certificates[0] / "keeper") as (port, sent):
        err = told(replace(asking, port=port, name="127.0.0.1"))
    assert NOT_OURS in err
    assert "127.0.0.1" in err
    assert sent == []


def test_another_peer_that_pretends_to_be_the_keeper_is_sent_nothing(
    asking: AskingHost, certificates: tuple[Path, Path]
) -> None:
    with pretends(certificates[0] / "builds") as (port, sent):
        assert NOT_OURS in told(replace(asking, port=port))
    assert sent == []


def test_a_server_with_an_older_version_of_tls_is_sent_nothing(
    asking: AskingHost, certificates: tuple[Path, Path]
) -> None:
    with pretends(certificates[0] / "keeper", version=ssl.TLSVersion.TLSv1_2) as (port, sent):
        assert "does not speak TLS 1.3 with us" in told(replace(asking, port=port))
    assert sent == []


def test_a_key_that_others_can_read_is_not_used(asking: AskingHost, tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    shutil.copytree(asking.tls, tls)
    (tls / "key.pem").chmod(0o644)
    code, _, err = replace(asking, tls=tls)(*STATUS)
    assert code == 2
    assert "others may read or change it" in err
    (tls / "key.pem").chmod(0o600)
    (tls / "authority.pem").chmod(0o666)
    code, _, err = replace(asking, tls=tls)(*STATUS)
    assert code == 2
    assert "can be changed by somebody else" in err
