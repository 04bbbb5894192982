"""Whether the certificate a server shows is one to believe, decided by a person or by a fingerprint.

An installation has an authority of its own by default, which no host knows at first. Its certificate is
fetched over a connection that proves nothing and carries nothing of ours; what makes it worth believing is
that its fingerprint is the one `sealock authority` prints on the server. Then a second connection must hold
under that authority alone. Nothing unknown is ever accepted without the comparison.
"""

from __future__ import annotations

import re
import ssl
import sys
from hashlib import sha256
from pathlib import Path

import click
import httpx2

from sealock.cli.api import Api
from sealock.cli.way_errors import NotTrusted, of_transport
from sealock.core.errors import UsageError

LONGEST_CERTIFICATE = 64 * 1024


async def authority_of(url: str, file: Path | None, fingerprint: str | None) -> str:
    """What to trust this server by, PEM; `` for what this host trusts already. file: the authority's
    certificate, compared already. fingerprint: SHA-256 of it, compared instead of asking a person.

    UsageError if it is another, nobody can be asked, or the person says no.
    """
    if file is not None:
        return await _holds(url, _read(file))
    if fingerprint is None and await _is_trusted(url):
        return ""
    shown = await _fetched(url)
    found = fingerprint_of(shown)
    if fingerprint is not None:
        _must_be(found, fingerprint)
    else:
        _must_be_confirmed(url, found)
    return await _holds(url, shown)


def fingerprint_of(certificate: str) -> str:
    """SHA-256 of a certificate, 64 hexadecimal digits. UsageError if it is none."""
    try:
        return sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    except ValueError as error:
        raise UsageError("What was given as a certificate is none", details=str(error)) from error


async def _is_trusted(url: str) -> bool:
    try:
        await _holds(url, "")
    except NotTrusted:
        return False
    return True


async def _holds(url: str, authority: str) -> str:
    """The authority, once a connection has held under it. NotTrusted if it does not."""
    async with Api(url, authority=authority) as api:
        await api.healthy()
    return authority


async def _fetched(url: str) -> str:
    """The authority's certificate as whoever answers there shows it. Nothing of ours is sent along."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    async with httpx2.AsyncClient(verify=blind, timeout=10.0, follow_redirects=False, trust_env=False) as it:
        try:
            async with it.stream("GET", f"{url}/authority.pem") as answer:
                content = b""
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > LONGEST_CERTIFICATE:
                        break
        except httpx2.TransportError as error:
            raise of_transport(error, url) from error
    if answer.status_code != 200 or len(content) > LONGEST_CERTIFICATE:
        raise UsageError(
            f"The certificate of {url} is of no authority this host trusts, and it shows none of its own",
            resolution="Give the certificate of its authority with --ca FILE.",
        )
    return _one_certificate(content)


def _one_certificate(content: bytes) -> str:
    """Written anew from its bytes, so that what is compared is all there is."""
    text = content.decode("ascii", "replace")
    try:
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(text.strip()))
    except ValueError as error:
        raise UsageError("What was given as a certificate is none", details=str(error)) from error


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(LONGEST_CERTIFICATE)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", details=str(error.strerror)) from error
    return _one_certificate(content)


def _must_be(found: str, wanted: str) -> None:
    plain = re.sub(r"[\s:]", "", wanted.lower()).removeprefix("sha-256").removeprefix("sha256")
    if not re.fullmatch(r"[0-9a-f]{64}", plain):
        raise UsageError(
            "That is not a SHA-256 fingerprint",
            resolution="`sealock authority --fingerprint` on the server prints it.",
        )
    if plain != found:
        raise UsageError(
            "The server shows the certificate of another authority than the one you named",
            details=f"SHA-256 {found}",
            resolution="Do not sign in here before you know why: somebody may stand between.",
        )


def _must_be_confirmed(url: str, found: str) -> None:
    click.echo(f"This host does not know the certificate authority of {url}. Its fingerprint is", err=True)
    click.echo(f"SHA-256 {found}", err=True)
    click.echo("`sealock authority --fingerprint` on the server prints the true one.", err=True)
    if not sys.stdin.isatty():
        raise UsageError(
            "Nobody is here to compare the fingerprint",
            resolution="Give the true one with --fingerprint, or the authority's certificate with --ca.",
        )
    if not click.confirm("Are they the same?", default=False, err=True):
        raise UsageError("Not signed in: the certificate was not confirmed")
