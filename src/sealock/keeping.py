"""Puts together the half of the keeper that opens, for the keeper's own process and nothing else.

It stands apart from `wiring`, which everything else is made by, so that neither a build, nor whoever takes a
secret, nor whoever looks after the keys comes near a module that could open one; `.importlinter` and a test
hold the two apart.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealock.core.keeper import KeeperProcess
    from sealock.core.secret import Secret
    from sealock.keeper.backends.options import BackendOptions
    from sealock.keeper.care import KeyCare
    from sealock.keeper.journal import Journal
    from sealock.keeper.keysets import KeySets
    from sealock.keeper.own_keys import KeyPlaces
    from sealock.keeper.peers import Peers
    from sealock.keeper.process import NetworkDoor
    from sealock.settings import Settings


OWNER_KEY = "owner-key"
"""In the data directory: what the owner of the installation signs in with, to read their builds' logs."""


class Keeping:
    """What opens, over this host's settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def keeper(self) -> KeeperProcess:
        """The keeper, with the key sets of this installation. Whoever runs it may ask it for everything."""
        from sealock.keeper.process import Keeper, KeeperOptions
        from sealock.ledger.releases import ReleaseLedger

        return Keeper(
            KeeperOptions(
                directory=self._settings.keeper_dir,
                socket=self._settings.keeper_socket,
                peers=self._peers(),
                ledger=lambda: ReleaseLedger(self._settings.keeper_dir / "ledger"),
                key_sets=self._keeper_key_sets,
                care=self._care,
                user=self._settings.keeper_user,
                owned=(self._settings.keeper_dir,),
                settle=self._settle,
                sessions=self._sessions,
                network=self._settings.key_backend in {"vault", "kms"},
                door=self._keeper_door(),
            )
        )

    def _peers(self) -> Peers:
        """Whoever starts the keeper, and the website's user, without a word in `authorities.json`."""
        from sealock.core.own_user import entry
        from sealock.keeper.peers import WEBSITE, Peer, PeerRole, Peers

        users = {os.geteuid(): Peer("local", frozenset(PeerRole))}
        if self._settings.web_user:
            users.setdefault(entry(self._settings.web_user, "website").pw_uid, Peer("website", WEBSITE))
        return Peers(by_user=users)

    def _settle(self) -> None:
        """As root: have the keeper's keys where nobody else's are, if somebody else is to have those."""
        if self._settings.keeper_user or self._settings.web_user:
            self._keys.settle(self._settings.data_dir)

    def _keeper_door(self) -> NetworkDoor | None:
        from sealock.core.errors import UsageError
        from sealock.keeper.process import NetworkDoor
        from sealock.keeper.tls import TlsFiles

        listen, tls = self._settings.keeper_listen, self._settings.keeper_tls_dir
        if listen is None:
            return None
        if tls is None:
            raise UsageError(
                "keeper_listen needs keeper_tls_dir",
                resolution="Other hosts reach the keeper over TLS alone: set both, or none.",
            )
        host, _, port = listen.rpartition(":")
        return NetworkDoor(host, int(port), TlsFiles.of(tls))

    def _key_sets(self) -> KeySets:
        from sealock.keeper.backends.choose import choose
        from sealock.keeper.keyset_files import KeySetFiles
        from sealock.keeper.keysets import KeySets

        files = KeySetFiles(self._keys.directory / "sets")
        return KeySets(files, choose(self._backend_options()), self._journal.generation)

    def _keeper_key_sets(self) -> KeySets:
        """The key sets, once it is proved that they open: better at the start than when a build waits. A
        passphrase is asked for here as well, while there is somebody to ask."""
        from sealock.core.errors import PermanentError
        from sealock.keeper.backends.port import Fails

        sets = self._key_sets()
        status = sets.backends.current.status()
        if isinstance(status.works, Fails):
            raise PermanentError(
                f"the back end {status.name} of the keys does not work",
                details=status.works.reason,
                resolution=status.works.advice,
            )
        return sets

    @property
    def _journal(self) -> Journal:
        from sealock.keeper.journal import Journal

        return Journal(self._keys.directory / "rotation.json")

    def _care(self, sets: KeySets) -> KeyCare:
        from sealock.keeper.care import KeyCare
        from sealock.keeper.kek import FileKek

        return KeyCare(sets, self._journal, lambda: FileKek(self._keys.kek))

    def _backend_options(self) -> BackendOptions:
        from sealock.keeper.backends.options import BackendOptions, KmsOptions, VaultOptions

        settings, vault = self._settings, None
        if settings.vault_address and settings.vault_token_file:
            vault = VaultOptions(
                settings.vault_address,
                settings.vault_key,
                settings.vault_token_file,
                settings.vault_mount,
                settings.vault_ca_certificate,
                settings.vault_namespace,
            )
        endpoint, before = settings.kms_endpoint, settings.kms_key_before
        return BackendOptions(
            name=settings.key_backend,
            before=settings.key_backend_before,
            file=self._keys.kek,
            passphrase_file=self._keys.directory / "passphrase-keys",
            ask=self._passphrase,
            vault=vault,
            kms=KmsOptions(settings.kms_key, endpoint) if settings.kms_key else None,
            kms_before=KmsOptions(before, endpoint) if before else None,
        )

    def _passphrase(self) -> Secret:
        from sealock.keeper.passphrase import ask_passphrase, read_passphrase

        place = self._settings.key_passphrase_file
        return read_passphrase(place) if place else ask_passphrase()

    def _sessions(self) -> tuple[bytes, ...]:
        """Who signs people in: the owner of the installation, with a key that only they can read, and the
        website, with one of its own where it is a user of its own."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        from sealock.keeper.identity import load_or_create
        from sealock.website_user import SESSION_KEY

        places = [self._settings.data_dir / OWNER_KEY]
        if self._settings.web_user:
            places.append(self._settings.data_dir / SESSION_KEY)
        keys = (load_or_create(place).public_key() for place in places)
        return tuple(key.public_bytes(Encoding.Raw, PublicFormat.Raw) for key in keys)

    @property
    def _keys(self) -> KeyPlaces:
        from sealock.keeper.own_keys import KeyPlaces

        settings = self._settings
        return KeyPlaces(
            settings.data_dir / "keys", settings.keeper_dir / "keys", settings.key_encryption_key
        )
