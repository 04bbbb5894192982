"""`sealock authority`: the installation's own certificate authority, to be trusted by browsers and tools."""

from __future__ import annotations

import ssl
import sys
from hashlib import sha256

import click

from sealock.cli.tools import Tools


@click.command()
@click.option("--fingerprint", is_flag=True, help="Only its SHA-256 fingerprint.")
@click.pass_obj
def authority(tools: Tools, *, fingerprint: bool) -> None:
    """Print the certificate of this installation's authority, PEM, and its fingerprint.

    Without a certificate of your own (setting `certificate`) the website's is of this authority. To trust
    it: `sealock authority > /usr/local/share/ca-certificates/sealock.crt && update-ca-certificates` on
    Debian, and the same file under "Authorities" in a browser. It can certify this website's names alone.
    """
    certificate = tools.server().authority()
    digest = sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).hexdigest()
    if fingerprint:
        click.echo(digest)
        return
    click.echo(certificate.decode(), nl=False)
    if sys.stdout.isatty():
        click.echo(f"SHA-256 {digest}", err=True)
