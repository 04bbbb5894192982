"""The installation's own authority, met by real TLS clients on loopback. Each refusal is the client's."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from sealock.access.authority import Authority
from sealock.access.certificates import certify_host, certify_worker, make_authority, new_key, worker_of
from sealock.access.joining import JOIN_LIFE, Joining
from sealock.access.memory import MemoryAccess
from sealock.access.operators import operators_certificate
from sealock.core.certificate import Certificate
from sealock.core.decision import Denied
from sealock.core.errors import PermanentError, UsageError
from sealock.core.workers import CertifiedWorker
from tests.support.loopback_tls import greeting, tls_server

HOSTS = ("ci.example.com", "127.0.0.1")
YEAR = 365 * 24 * 3600.0


class Clock:
    """now: seconds since 1970."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority", HOSTS)


def parts(directory: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    content = (directory / "authority/authority.pem").read_bytes()
    key = load_pem_private_key(content, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key, x509.load_pem_x509_certificate(content)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def both(path: Path, key: ec.EllipticCurvePrivateKey, *chain: x509.Certificate) -> Path:
    path.write_bytes(pem(key) + b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    path.chmod(0o600)
    return path


def request(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, name: str = "whoever") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.mark.parametrize("host", HOSTS)
def test_a_client_that_trusts_the_authority_believes_the_website(authority: Authority, host: str) -> None:
    with tls_server(authority.website_certificate()) as port:
        assert greeting(port, host, authority.certificate()) == "hello None"


@pytest.mark.parametrize("host", ["example.com", "evil.example.com", "localhost", "127.0.0.2"])
def test_a_client_that_wants_another_host_does_not(authority: Authority, host: str) -> None:
    with tls_server(authority.website_certificate()) as port:
        assert "mismatch" in greeting(port, host, authority.certificate())


def test_a_client_that_trusts_another_authority_does_not(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other", HOSTS)
    with tls_server(authority.website_certificate()) as port:
        assert "hello" not in greeting(port, HOSTS[0], other.certificate())


@pytest.mark.parametrize(
    "host", ["bank.example.net", "example.com", "192.0.2.1", "::1", "ci.example.com.evil.net"]
)
def test_whoever_steals_the_authoritys_key_can_pose_as_no_other_site(
    authority: Authority, tmp_path: Path, host: str
) -> None:
    trusted, key = authority.certificate(), new_key()
    leaf = certify_host(parts(tmp_path), key.public_key(), [host], time.time(), timedelta(days=1))
    path = both(tmp_path / "stolen.pem", key, leaf)
    with tls_server(Certificate(path, path)) as port:
        assert "subtree" in greeting(port, host, trusted)


@pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1"])
def test_an_authority_for_names_certifies_no_address(tmp_path: Path, host: str) -> None:
    """What a constraint does not speak of, it allows: addresses have to be excluded by their own."""
    authority = Authority(tmp_path / "authority", ["ci.example.com"])
    trusted, key = authority.certificate(), new_key()
    leaf = certify_host(parts(tmp_path), key.public_key(), [host], time.time(), timedelta(days=1))
    path = both(tmp_path / "stolen.pem", key, leaf)
    with tls_server(Certificate(path, path)) as port:
        assert "subtree" in greeting(port, host, trusted)


def test_an_authority_for_addresses_certifies_no_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority", ["127.0.0.1"])
    trusted, key = authority.certificate(), new_key()
    leaf = certify_host(parts(tmp_path), key.public_key(), ["bank.example"], time.time(), timedelta(days=1))
    path = both(tmp_path / "stolen.pem", key, leaf)
    with tls_server(Certificate(path, path)) as port:
        assert "subtree" in greeting(port, "bank.example", trusted)


def test_a_client_that_cannot_hold_it_to_its_constraints_refuses_it(authority: Authority) -> None:
    """A library that does not know them would pass over them if they were not critical."""
    found = x509.load_pem_x509_certificate(authority.certificate().read_bytes())
    for kind in (x509.NameConstraints, x509.BasicConstraints, x509.KeyUsage):
        assert found.extensions.get_extension_for_class(kind).critical, kind


def test_the_authority_makes_no_authority_below_it(authority: Authority, tmp_path: Path) -> None:
    """Path length: a certificate signed by one it signed is not believed."""
    trusted, (key, root) = authority.certificate(), parts(tmp_path)
    middle_key, leaf_key = new_key(), new_key()
    middle = make_authority(middle_key, HOSTS[::-1], time.time(), timedelta(days=1))
    middle = (
        x509.CertificateBuilder(
            root.subject, middle.subject, middle_key.public_key(), middle.serial_number,
            middle.not_valid_before_utc, middle.not_valid_after_utc, list(middle.extensions),
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )  # fmt: skip
    leaf = certify_host((middle_key, middle), leaf_key.public_key(), HOSTS, time.time(), timedelta(hours=1))
    path = both(tmp_path / "deep.pem", leaf_key, leaf, middle)
    with tls_server(Certificate(path, path)) as port:
        assert "path length" in greeting(port, HOSTS[0], trusted)


@pytest.mark.parametrize("name", ["builder-1", "builder-1.other.example.net", "x" * 63])
def test_a_workers_certificate_is_believed_of_a_client_only(
    authority: Authority, tmp_path: Path, name: str
) -> None:
    key, trusted = new_key(), authority.certificate()
    made = x509.load_pem_x509_certificate(authority.worker_certificate(request(key), name))
    assert worker_of(made) == name
    path = both(tmp_path / "worker.pem", key, made)
    with tls_server(authority.website_certificate(), clients_of=trusted) as port:
        assert greeting(port, HOSTS[0], trusted, own=path) == "hello you"
        assert "hello" not in greeting(port, HOSTS[0], trusted)
        website = authority.website_certificate().chain
        assert "hello" not in greeting(port, HOSTS[0], trusted, own=website)
    with tls_server(Certificate(path, path)) as port:
        assert "purpose" in greeting(port, HOSTS[0], trusted)


def test_an_expired_worker_is_not_let_in(authority: Authority, tmp_path: Path) -> None:
    key, trusted = new_key(), authority.certificate()
    made = certify_worker(
        parts(tmp_path), key.public_key(), "builder-1", time.time() - 7200, timedelta(hours=1)
    )
    path = both(tmp_path / "worker.pem", key, made)
    with tls_server(authority.website_certificate(), clients_of=trusted) as port:
        assert "hello" not in greeting(port, HOSTS[0], trusted, own=path)


def test_the_keys_are_nobody_elses_and_made_once(authority: Authority, tmp_path: Path) -> None:
    first = authority.website_certificate().chain.read_bytes()
    again = Authority(tmp_path / "authority", HOSTS)
    assert again.website_certificate().chain.read_bytes() == first
    assert again.certificate().read_bytes() == authority.certificate().read_bytes()
    directory = tmp_path / "authority"
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert modes == {"authority.pem": 0o400, "certificate.pem": 0o644, "website.pem": 0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert b"PRIVATE" not in authority.certificate().read_bytes()


@pytest.mark.parametrize("name", ["authority.pem", "website.pem"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o602])
def test_a_key_others_can_read_is_refused(authority: Authority, tmp_path: Path, name: str, mode: int) -> None:
    authority.website_certificate()
    (tmp_path / "authority" / name).chmod(mode)
    with pytest.raises(PermanentError, match="not safe to use"):
        authority.website_certificate()


def test_the_website_is_certified_anew_in_time(tmp_path: Path) -> None:
    clock = Clock()
    now = clock.now
    authority = Authority(tmp_path / "authority", HOSTS, clock)
    first = authority.website_certificate().chain.read_bytes()
    clock.now = now + YEAR * 0.65
    assert authority.website_certificate().chain.read_bytes() == first
    clock.now = now + YEAR * 0.67
    second = authority.website_certificate().chain.read_bytes()
    assert second != first
    left = x509.load_pem_x509_certificate(second).not_valid_after_utc.timestamp() - clock.now
    assert abs(left - YEAR) < 60


def test_nothing_outlives_the_authority_and_an_expired_one_is_refused(tmp_path: Path) -> None:
    clock = Clock()
    authority = Authority(tmp_path / "authority", HOSTS, clock)
    ends = x509.load_pem_x509_certificate(authority.certificate().read_bytes()).not_valid_after_utc
    clock.now = ends.timestamp() - 3600
    leaf = x509.load_pem_x509_certificate(authority.website_certificate().chain.read_bytes())
    assert leaf.not_valid_after_utc <= ends
    clock.now = ends.timestamp()
    with pytest.raises(PermanentError, match="expired on"):
        authority.website_certificate()


def test_other_hosts_need_another_authority(authority: Authority, tmp_path: Path) -> None:
    authority.website_certificate()
    below = Authority(tmp_path / "authority", ["live.ci.example.com", "127.0.0.1"])
    leaf = below.website_certificate()
    with tls_server(leaf) as port:
        assert greeting(port, "live.ci.example.com", below.certificate()) == "hello None"
    for hosts in (["other.example.com"], ["127.0.0.2"], ["ci.example.com", "example.com"]):
        with pytest.raises(PermanentError, match=r"may certify 127\.0\.0\.1, ci\.example\.com only"):
            Authority(tmp_path / "authority", hosts).website_certificate()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_broken_file_is_told_and_not_replaced(authority: Authority, tmp_path: Path, content: bytes) -> None:
    authority.website_certificate()
    path = tmp_path / "authority/authority.pem"
    path.chmod(0o600)
    path.write_bytes(content)
    with pytest.raises(PermanentError, match="cannot be used"):
        authority.website_certificate()
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["authority.pem", "website.pem"])
def test_a_key_of_another_certificate_is_refused(authority: Authority, tmp_path: Path, name: str) -> None:
    """The attack: a key of one's own is put before our certificate."""
    authority.website_certificate()
    path = tmp_path / "authority" / name
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    path.chmod(0o600)
    path.write_bytes(pem(new_key()) + certificate.public_bytes(Encoding.PEM))
    with pytest.raises(PermanentError, match="cannot be used") as refused:
        authority.website_certificate()
    assert "not a pair" in refused.value.details


@pytest.mark.parametrize(
    "host", ["", "https://ci.example.com", "ci.example.com:8443", "a b", "*.example.com", "-a"]
)
def test_what_is_no_host(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError):
        Authority(tmp_path, [host])


# Joining


@pytest.mark.anyio
async def test_a_join_token_works_once_and_for_its_name(authority: Authority, tmp_path: Path) -> None:
    joining = Joining(MemoryAccess(), authority)
    token = (await joining.invite("builder-1")).reveal().decode()
    made = await joining.join(token, request(new_key(), "builder-2"))
    assert isinstance(made, CertifiedWorker)
    assert made.worker == worker_of(x509.load_pem_x509_certificate(made.certificate)) == "builder-1"
    assert isinstance(await joining.join(token, request(new_key())), Denied)


@pytest.mark.anyio
async def test_no_other_token_joins(authority: Authority) -> None:
    clock = Clock()
    joining = Joining(MemoryAccess(), authority, clock)
    old = (await joining.invite("builder-1")).reveal().decode()
    new = (await joining.invite("builder-1")).reveal().decode()
    for token in ("", old, new[:-1], new + "x", "\udcff"):
        assert isinstance(await joining.join(token, request(new_key())), Denied)
    clock.now += JOIN_LIFE
    assert isinstance(await joining.join(new, request(new_key())), Denied)


def test_a_request_is_for_a_key_the_asker_holds_and_of_our_kind(authority: Authority) -> None:
    good = x509.load_pem_x509_csr(request(new_key()))
    broken = bytearray(good.public_bytes(Encoding.DER))
    broken[-1] ^= 1
    pieces = x509.load_der_x509_csr(bytes(broken)).public_bytes(Encoding.PEM)
    edwards = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    other = x509.CertificateSigningRequestBuilder().subject_name(name).sign(edwards, None)
    rivest = request(rsa.generate_private_key(65537, 2048))
    longer = request(ec.generate_private_key(ec.SECP384R1()))
    for asked in (pieces, other.public_bytes(Encoding.PEM), rivest, longer, b"", b"x" * 200_000):
        with pytest.raises(UsageError):
            authority.worker_certificate(asked, "builder-1")


@pytest.mark.parametrize("name", ["", "-", "Builder", "a b", "a\n", "x" * 64])
def test_what_is_no_workers_name(authority: Authority, name: str) -> None:
    with pytest.raises(UsageError):
        authority.worker_certificate(request(new_key()), name)


# An operator's own certificate


@pytest.fixture
def theirs(tmp_path: Path) -> tuple[Path, Path]:
    """A chain and a key as an operator has them."""
    signer, key = new_key(), new_key()
    root = make_authority(signer, ["example.com"], time.time(), timedelta(days=9))
    leaf = certify_host((signer, root), key.public_key(), ["ci.example.com"], time.time(), timedelta(days=5))
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM))
    private.write_bytes(pem(key))
    private.chmod(0o600)
    return chain, private


def test_an_operators_certificate_is_taken(theirs: tuple[Path, Path], tmp_path: Path) -> None:
    assert operators_certificate(*theirs, ["ci.example.com"]) == Certificate(*theirs)
    link = tmp_path / "link.pem"
    link.symlink_to(theirs[1])
    assert operators_certificate(theirs[0], link, ["ci.example.com"])


@pytest.mark.parametrize("host", ["other.example.com", "example.com", "127.0.0.1"])
def test_a_certificate_for_another_host_is_refused(theirs: tuple[Path, Path], host: str) -> None:
    with pytest.raises(PermanentError, match=r"(?s)mismatch.*Replace it"):
        operators_certificate(*theirs, ["ci.example.com", host])


def test_a_certificate_out_of_its_time_is_refused(theirs: tuple[Path, Path]) -> None:
    clock, now = Clock(), time.time()
    for clock.now, said in ((now + 6 * 86400, "expired on"), (now - 86400, "valid only from")):
        with pytest.raises(PermanentError, match=said):
            operators_certificate(*theirs, ["ci.example.com"], clock)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_an_operators_key_others_can_read_is_refused(theirs: tuple[Path, Path], mode: int) -> None:
    theirs[1].chmod(mode)
    with pytest.raises(PermanentError, match="not safe to use"):
        operators_certificate(*theirs, ["ci.example.com"])


def test_what_is_no_pair_is_refused(theirs: tuple[Path, Path], tmp_path: Path) -> None:
    chain, key = theirs
    other, locked = tmp_path / "other.pem", tmp_path / "locked.pem"
    other.write_bytes(pem(new_key()))
    locked.write_bytes(
        new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a word"))
    )
    for path in (other, locked):
        path.chmod(0o600)
    for pair in (
        (chain, other),
        (chain, locked),
        (key, key),
        (tmp_path / "none", key),
        (chain, tmp_path / "none"),
    ):
        with pytest.raises(PermanentError):
            operators_certificate(*pair, ["ci.example.com"])
