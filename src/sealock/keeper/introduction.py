"""What a keeper on another host must know of this one before it lets it in, ready for its `authorities.json`.

Nothing in it is secret: a public key and the fingerprint of a certificate.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from sealock.core.errors import UsageError
from sealock.keeper.authorities import PEER_NAME
from sealock.keeper.peers import PeerRole

ROLES = (PeerRole.SCHEDULER, PeerRole.WORKER, PeerRole.RELAY, PeerRole.OPERATOR)
"""What the commands of an installation take, but for those that take or change keys themselves."""


def introduce(name: str, owner: Ed25519PrivateKey, certificate: Path, *others: Ed25519PrivateKey) -> str:
    """JSON for `authorities.json`. name: what the keeper shall call this host. owner, others: who sign in
    here. certificate: PEM. UsageError for a name or a certificate that cannot be used."""
    if not re.fullmatch(PEER_NAME, name):
        raise UsageError(
            f"{name[:80]!r} cannot be a peer's name", resolution="Take a-z, 0-9, `.` and `-`, 63 at most."
        )
    peer = {"name": name, "roles": list(ROLES), "certificate": _fingerprint(certificate)}
    sessions = [b64encode(key.public_key().public_bytes_raw()).decode() for key in (owner, *others)]
    return json.dumps({"sessions": sessions, "peers": [peer]}, indent=2)


def _fingerprint(path: Path) -> str:
    """Of the first certificate in the file, which is the holder's own: SHA-256 of its DER form."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"there is no certificate in {path}",
            details=str(error),
            resolution="Put this host's certificate there, PEM (setting keeper_client_tls_dir).",
        ) from error
    return found.fingerprint(SHA256()).hex()
