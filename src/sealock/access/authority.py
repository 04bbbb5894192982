"""The installation's own certificate authority: made once, kept in one directory, for this website only.

    authority.pem     its key and its certificate, readable by us alone
    certificate.pem   its certificate, to be trusted by browsers and workers
    website.pem       the website's key and certificate, replaced well before it expires

An operator who has a certificate of their own needs none of this but `operators_certificate`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sealock.access.certificates import (
    PrivateKey,
    certify_host,
    certify_worker,
    constrained_to,
    hosts_of,
    make_authority,
    new_key,
    why_not_in_time,
)
from sealock.core.certificate import Certificate
from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import create_secret_file, make_private_directory, read_secret_file, write_whole
from sealock.core.workers import WORKER_NAME

AUTHORITY_LIFE = timedelta(days=3650)
WEBSITE_LIFE = timedelta(days=365)
WORKER_LIFE = timedelta(days=30)
RENEW_AFTER = 2 / 3
"""The part of its life after which a certificate is made anew: a third of it is left for noticing trouble."""
LONGEST_FILE = 64 * 1024

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class Authority:
    """hosts: the DNS names and IP addresses the website is reached by. clock: seconds since 1970."""

    def __init__(self, directory: Path, hosts: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        if not hosts:
            raise UsageError("The website needs a host name or an address", resolution="Configure one.")
        self._directory = directory
        self._hosts = tuple(dict.fromkeys(_checked(host) for host in hosts))
        self._clock = clock

    def certificate(self) -> Path:
        """Its own certificate, PEM, to be given to whoever shall trust it. PermanentError as below."""
        _, certificate = self._authority()
        path, wanted = self._directory / "certificate.pem", certificate.public_bytes(Encoding.PEM)
        if not path.is_file() or path.read_bytes() != wanted:
            write_whole(path, wanted, 0o644)
        return path

    def fingerprint(self) -> str:
        """SHA-256 of its certificate, 64 hexadecimal digits: what a worker knows it by before it has it."""
        return self._authority()[1].fingerprint(SHA256()).hex()

    def website_certificate(self) -> Certificate:
        """The website's key and certificate: what is there, if for all hosts and with time left, or new.

        PermanentError if the authority has expired or is for other hosts, or somebody else could have read
        a key.
        """
        authority = self._authority()
        path = self._directory / "website.pem"
        if not self._still_good(path, authority[1]):
            key = new_key()
            leaf = certify_host(authority, key.public_key(), self._hosts, self._clock(), WEBSITE_LIFE)
            write_whole(path, _pem(key) + leaf.public_bytes(Encoding.PEM), 0o600)
        return Certificate(path, path)

    def worker_certificate(self, request: bytes, name: str) -> bytes:
        """A certificate, PEM, for a worker that asks with a PKCS#10 request in PEM. The name is the one it
        was invited by, whatever the request says. UsageError if the request is none we can use."""
        if not WORKER_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} cannot be a worker's name", resolution="a-z, 0-9, `.`, `-`.")
        key = _requested_key(request)
        made = certify_worker(self._authority(), key, name, self._clock(), WORKER_LIFE)
        return made.public_bytes(Encoding.PEM)

    def _authority(self) -> tuple[PrivateKey, x509.Certificate]:
        path = self._directory / "authority.pem"
        make_private_directory(self._directory)
        try:
            content = read_secret_file(path, longest=LONGEST_FILE)
        except FileNotFoundError:
            key = new_key()
            made = make_authority(key, self._hosts, self._clock(), AUTHORITY_LIFE)
            # Another process may have been quicker; then its authority is the one.
            create_secret_file(path, _pem(key) + made.public_bytes(Encoding.PEM))
            content = read_secret_file(path, longest=LONGEST_FILE)
        key, certificate = _parsed(path, content)
        self._refuse_unless_usable(path, certificate)
        return key, certificate

    def _refuse_unless_usable(self, path: Path, certificate: x509.Certificate) -> None:
        why = why_not_in_time(certificate, self._clock())
        permitted = constrained_to(certificate)
        missing = [host for host in self._hosts if not _is_permitted(host, permitted)]
        if missing and not why:
            why = f"it may certify {', '.join(sorted(permitted))} only, not {', '.join(missing)}"
        if why:
            raise PermanentError(
                "The installation's certificate authority cannot be used",
                details=f"{path}: {why}",
                resolution=f"Move {path.parent} away; a new one is made at the next start, and has to be "
                "trusted anew by browsers and workers.",
            )

    def _still_good(self, path: Path, authority: x509.Certificate) -> bool:
        try:
            _, leaf = _parsed(path, read_secret_file(path, longest=LONGEST_FILE))
        except FileNotFoundError:
            return False
        begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        is_young = begins <= self._clock() < begins + (ends - begins) * RENEW_AFTER
        return is_young and hosts_of(leaf) == set(self._hosts) and _is_signed_by(leaf, authority)


def _is_signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:  # a value error, a type error or a bad signature: all mean no
        return False
    return True


def _is_permitted(host: str, permitted: frozenset[str]) -> bool:
    return host in permitted or any(host.endswith(f".{one}") for one in permitted)


def _checked(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        if _HOST.fullmatch(host.lower()):
            return host.lower()
    raise UsageError(
        f"{host[:200]!r} is no host name and no address", resolution="Give it without a scheme or a port."
    )


def _requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    try:
        found = x509.load_pem_x509_csr(request[:LONGEST_FILE])
        key, is_held = found.public_key(), found.is_signature_valid
    except ValueError as error:
        raise UsageError("That is no certificate request", details=str(error)) from error
    if not is_held:
        raise UsageError("The certificate request is not signed with the key it is for")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError("The certificate request is for another kind of key", resolution="Take P-256.")
    return key


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _parsed(path: Path, content: bytes) -> tuple[PrivateKey, x509.Certificate]:
    try:
        key, certificate = load_pem_private_key(content, None), x509.load_pem_x509_certificate(content)
    except (ValueError, TypeError) as error:
        raise _broken(path, "it does not hold a key and a certificate") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise _broken(path, "the key and the certificate are not a pair")
    return key, certificate


def _broken(path: Path, why: str) -> PermanentError:
    return PermanentError(
        f"{path} cannot be used", details=why, resolution="Restore it, or move it away to have it made anew."
    )
