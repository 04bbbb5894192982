"""What makes a machine itself, made here on the host, for one machine, before its guest runs.

A guest never chooses whom it is taken for: its host key is made here and pinned before the first
connection. We log in with a certificate of an authority that lives as long as this process, for this
machine's id alone and for minutes.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import asyncssh

LOGIN_VALID = 10 * 60.0
# Clocks of host and guest agree to the millisecond; this is for the seconds a slow guest starts late.
CLOCK_SLACK = 60.0
ENTROPY_BYTES = 64


class Authority:
    """Certifies our one login key for one machine at a time. Never leaves this process."""

    def __init__(self) -> None:
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._login = asyncssh.generate_private_key("ssh-ed25519")

    @property
    def public_key(self) -> bytes:
        """The authority's public half, one OpenSSH line."""
        return bytes(self._key.export_public_key())

    def login(self, machine: str) -> tuple[asyncssh.SSHKey, asyncssh.SSHCertificate]:
        """Our key with a certificate whose only principal is that machine, valid for ten minutes."""
        now = int(time.time())
        certificate = self._key.generate_user_certificate(
            self._login,
            f"sealock {machine}",
            principals=[machine],
            valid_after=now - int(CLOCK_SLACK),
            valid_before=now + int(LOGIN_VALID),
            permit_x11_forwarding=False,
            permit_agent_forwarding=False,
            permit_port_forwarding=True,
            permit_pty=False,
            permit_user_rc=False,
        )
        return self._login, certificate


@dataclass(frozen=True)
class Identity:
    """One machine's. id: 128 random bits in hexadecimal; it is also the guest's machine-id."""

    id: str
    host_key: asyncssh.SSHKey
    authority: bytes
    user: str
    resolver: str | None

    @property
    def name(self) -> str:
        """The guest's host name."""
        return f"sealock-{self.id[:12]}"

    @property
    def fingerprint(self) -> str:
        """The host key's, as OpenSSH prints it (`SHA256:…`)."""
        return self.host_key.get_fingerprint()

    @property
    def known_hosts(self) -> asyncssh.SSHKnownHosts:
        """Trusts this machine's host key and no other."""
        public = self.host_key.export_public_key().decode()
        return asyncssh.import_known_hosts(f"{self.id} {public}")

    def message(self, hosts: str = "") -> bytes:
        """What the guest's start script is told; see there for the words. hosts: lines for /etc/hosts."""
        lines = [
            f"entropy {secrets.token_hex(ENTROPY_BYTES)}",
            f"clock {time.time():.6f}",
            f"machine {self.id}",
            f"name {self.name}",
            f"file 0600 host_key {self.host_key.export_private_key().hex()}",
            f"file 0644 authority.pub {self.authority.hex()}",
            f"user {self.user}",
        ]
        if hosts:
            lines.append(f"hosts {hosts.encode().hex()}")
        if self.resolver:
            lines.append(f"resolver {self.resolver}")
        return ("\n".join([*lines, "go"]) + "\n").encode()


def new_identity(authority: Authority, user: str, resolver: str | None) -> Identity:
    """An identity nobody had before."""
    return Identity(
        id=secrets.token_hex(16),
        host_key=asyncssh.generate_private_key("ssh-ed25519"),
        authority=authority.public_key,
        user=user,
        resolver=resolver,
    )
