"""What a worker is known by, and what it knows its website by; in a directory of its own.

It holds `authority.pem`, the certificate of the website's authority; `worker.pem`, our key and certificate in
one file, since they change together; and for a moment `next.pem`, the same, to take the place of those.
Whether the website has adopted that is found by trying.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sealock.core.errors import PermanentError, UsageError
from sealock.core.files import make_private_directory, move_over, write_whole
from sealock.core.workers import JOIN_PREFIX

RENEW_AFTER = 2 / 3
"""The part of its life after which a certificate is made anew."""


@dataclass(frozen=True)
class JoinToken:
    """text: as it was made. fingerprint: SHA-256 of the authority's certificate, DER."""

    text: str
    fingerprint: bytes

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """UsageError for what cannot be one; the text is not repeated."""
        value, _, digits = text.strip().removeprefix(JOIN_PREFIX).partition(".")
        try:
            fingerprint = bytes.fromhex(digits)
        except ValueError:
            fingerprint = b""
        if not text.strip().startswith(JOIN_PREFIX) or not value or len(fingerprint) != 32:
            raise UsageError(
                "that is no join token",
                resolution="`sealock workers add NAME` and the page of workers print one, which begins with "
                "slj_ and works once, for an hour.",
            )
        return cls(text.strip(), fingerprint)


def new_pair(name: str = "worker") -> tuple[bytes, bytes]:
    """A new key and a request for its certificate, PEM both. The website decides the name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem, request.public_bytes(Encoding.PEM)


def trusting(authority: Path | bytes, pair: Path | None = None) -> ssl.SSLContext:
    """TLS with a website that this authority certified. pair: to be known by. PermanentError if a file is
    not what it should be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        pem = authority if isinstance(authority, bytes) else authority.read_bytes()
        context.load_verify_locations(cadata=pem.decode("ascii"))
        if pair is not None:
            context.load_cert_chain(pair, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise PermanentError(
            "this worker's certificate cannot be used",
            details=f"{pair or authority!s:.200}: {error}",
            resolution="Remove the directory and have the worker join anew.",
        ) from error
    return context


class Identity:
    """directory: made when it is first written to."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = directory / "authority.pem"
        self.pair = directory / "worker.pem"
        self.next = directory / "next.pem"

    @property
    def joined(self) -> bool:
        """There is one."""
        return self.pair.exists() and self.authority.exists()

    def keep(self, authority: bytes, key: bytes, certificate: bytes) -> None:
        """Of a worker that has joined. PermanentError."""
        self._write(self.authority, authority)
        self._write(self.pair, key + certificate)
        self.next.unlink(missing_ok=True)

    def keep_next(self, key: bytes, certificate: bytes) -> None:
        """What the website made to take the place of ours. PermanentError."""
        self._write(self.next, key + certificate)

    def take_next(self) -> None:
        """It has."""
        move_over(self.next, self.pair)

    def tls(self, *, of_next: bool = False) -> ssl.SSLContext:
        """With the website. of_next: known by what is to take the place of ours. PermanentError."""
        return trusting(self.authority, self.next if of_next else self.pair)

    def times(self) -> tuple[float, float]:
        """When our certificate began and when it ends, seconds since 1970. PermanentError."""
        try:
            found = x509.load_pem_x509_certificate(self.pair.read_bytes())
        except (OSError, ValueError) as error:
            raise PermanentError(f"{self.pair} holds no certificate", details=str(error)) from error
        return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()

    def is_old(self, now: float | None = None) -> bool:
        """It is time for a new one. now: seconds since 1970."""
        begins, ends = self.times()
        return (time.time() if now is None else now) > begins + (ends - begins) * RENEW_AFTER

    def _write(self, path: Path, content: bytes) -> None:
        make_private_directory(self._directory)
        try:
            write_whole(path, content)
        except OSError as error:
            raise PermanentError(f"cannot write {path}", details=str(error)) from error
