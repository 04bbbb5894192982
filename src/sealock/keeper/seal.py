"""Makes project keys. The private half is sealed in the call that makes it and leaves it in no other form."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sealock.core.project import owner_of, ssh_key_name
from sealock.core.scope import enclose, of_a_fetch
from sealock.core.sealed import PublicKeys, Sealed
from sealock.core.secret import Secret
from sealock.core.source import GitOrigin
from sealock.keeper.sealing import seal


class KeySealer:
    """Makes keys and seals them to their project's key set (`core.keys.Sealer`)."""

    def __init__(self, public_keys: PublicKeys) -> None:
        self._public_keys = public_keys

    def new_key(self, project_id: str, version: int, name: str, origin: GitOrigin) -> tuple[str, Sealed]:
        """A new Ed25519 pair, bound to the project's id, its name and this version, and to that repository:
        the public half as one OpenSSH line, the private half sealed."""
        to = self._public_keys.public_key(owner_of(project_id))
        pair = Ed25519PrivateKey.generate()
        public = pair.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        with (
            Secret(pair.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())) as private,
            enclose(of_a_fetch(origin), private) as enclosed,
        ):
            return f"{public} sealock:{name}", seal(ssh_key_name(project_id, name, version), enclosed, to)
