"""Makes X.509 certificates for the installation, and says why one cannot be used.

ECDSA over P-256 throughout: every browser and TLS library has it. What a certificate may be used for stands
in it, critically, so that a worker's cannot pose as the website or sign another.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PublicKey = ec.EllipticCurvePublicKey
PrivateKey = ec.EllipticCurvePrivateKey

WORKER = "sealock://worker/"
"""Before a worker's name, in its certificate."""

_EARLIER = timedelta(minutes=5)  # the clocks of two hosts are never quite the same
_EVERYWHERE = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")


def new_key() -> PrivateKey:
    """A new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(key: PrivateKey, hosts: Sequence[str], now: float, life: timedelta) -> x509.Certificate:
    """A certificate of its own for an authority that can certify these hosts, and no authority below it.

    hosts: DNS names, with all names below them, and IP addresses. now: seconds since 1970. Whoever trusts
    it trusts it for these alone: who steals its key cannot pose as any other site.
    """
    name = _name("Sealock authority for " + ", ".join(hosts)[:40])
    return (
        _builder(name, name, key.public_key(), now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(_constraints(hosts), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def certify_host(
    authority: tuple[PrivateKey, x509.Certificate],
    key: PublicKey,
    hosts: Sequence[str],
    now: float,
    life: timedelta,
) -> x509.Certificate:
    """A certificate for a server that is reached by these DNS names and IP addresses."""
    subject, server = _name("Sealock website"), ExtendedKeyUsageOID.SERVER_AUTH
    leaf = _leaf(authority, key, subject, purpose=server, now=now, life=life)
    names = x509.SubjectAlternativeName([_host(one) for one in hosts])
    return leaf.add_extension(names, critical=False).sign(authority[0], SHA256())


def certify_worker(
    authority: tuple[PrivateKey, x509.Certificate], key: PublicKey, name: str, now: float, life: timedelta
) -> x509.Certificate:
    """A certificate by which a worker is known (`worker_of`); it can only connect, never be connected to."""
    client = ExtendedKeyUsageOID.CLIENT_AUTH
    # A subject that looks like a host's name would be held to the authority's constraints.
    leaf = _leaf(authority, key, _name(f"worker {name}"[:64]), purpose=client, now=now, life=life)
    known_by = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(WORKER + name)])
    return leaf.add_extension(known_by, critical=False).sign(authority[0], SHA256())


def worker_of(certificate: x509.Certificate) -> str | None:
    """The name a worker's certificate is for; None if it is none's."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    return next((one.removeprefix(WORKER) for one in found if one.startswith(WORKER)), None)


def hosts_of(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names and IP addresses a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    addresses = (str(one) for one in names.get_values_for_type(x509.IPAddress))
    return frozenset([*names.get_values_for_type(x509.DNSName), *addresses])


def constrained_to(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names and IP addresses an authority of ours can certify."""
    found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    return frozenset(str(one.value).partition("/")[0] for one in found.permitted_subtrees or [])


def why_not_in_time(certificate: x509.Certificate, now: float) -> str:
    """A few words, or nothing. now: seconds since 1970."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= ends.timestamp():
        return f"it expired on {ends:%Y-%m-%d %H:%M} UTC"
    return f"it is valid only from {begins:%Y-%m-%d %H:%M} UTC on" if now < begins.timestamp() else ""


def why_not_for(leaf: x509.Certificate, server: ssl.SSLContext, host: str) -> str:
    """Why a client would refuse a server for this host, in OpenSSL's words; nothing if it would not.

    It is asked rather than read: a client made of the same library shakes hands with `server` in memory. It
    trusts the server's own certificate, so that who signed that plays no part.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=leaf.public_bytes(Encoding.DER))
    here, there = (ssl.MemoryBIO(), ssl.MemoryBIO()), (ssl.MemoryBIO(), ssl.MemoryBIO())
    asking = client.wrap_bio(*here, server_hostname=host)
    answering = server.wrap_bio(*there, server_side=True)
    for _ in range(4):
        for end, (said, heard) in ((asking, (here[1], there[0])), (answering, (there[1], here[0]))):
            try:
                with suppress(ssl.SSLWantReadError):
                    end.do_handshake()
            except ssl.SSLCertVerificationError as error:
                return error.verify_message or str(error)
            heard.write(said.read())
    return ""


def _leaf(
    authority: tuple[PrivateKey, x509.Certificate],
    key: PublicKey,
    subject: x509.Name,
    *,
    purpose: ObjectIdentifier,
    now: float,
    life: timedelta,
) -> x509.CertificateBuilder:
    signer = authority[1]
    # Nothing outlives what certified it.
    life = min(life, signer.not_valid_after_utc - datetime.fromtimestamp(now, UTC))
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[0].public_key())
    return (
        _builder(subject, signer.subject, key, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(issuer_id, critical=False)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: float, life: timedelta
) -> x509.CertificateBuilder:
    begins = datetime.fromtimestamp(now, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - _EARLIER)
        .not_valid_after(begins + life)
    )


def _constraints(hosts: Sequence[str]) -> x509.NameConstraints:
    """Both kinds of name have to be spoken of: of one that is not, every name would be allowed."""
    permitted = [_subtree(one) for one in hosts]
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(one, x509.IPAddress) for one in permitted):
        excluded += [x509.IPAddress(one) for one in _EVERYWHERE]
    if not any(isinstance(one, x509.DNSName) for one in permitted):
        excluded.append(x509.DNSName(""))
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded or None)


def _subtree(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_network(ip_address(host)))
    except ValueError:
        return x509.DNSName(host)


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
