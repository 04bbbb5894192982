"""Makes the adapters out of the settings, each when it is first asked for.

The one place that knows them all. Imports stand inside the methods, since most commands need few of
the libraries underneath and should not wait for the others.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from sealock.builds.request import RunPorts
    from sealock.builds.run import Runner
    from sealock.cli.tools import SettingRow
    from sealock.core.image import Images
    from sealock.core.keeper import KeeperControl, KeeperProcess
    from sealock.core.keyring import Keyring
    from sealock.core.keys import Opener, Sealer
    from sealock.core.machine import Machines, Reaper
    from sealock.core.project import Projects
    from sealock.core.receipt import Verifier
    from sealock.core.release import Exposures
    from sealock.core.sealed import KeyDestroyer, SealedPlace
    from sealock.core.secret import Secret
    from sealock.core.source import GitAddress
    from sealock.keeper.backends.options import BackendOptions
    from sealock.keeper.client import KeeperClient
    from sealock.keeper.journal import Journal
    from sealock.keeper.keysets import KeySets
    from sealock.keeper.process import NetworkDoor
    from sealock.ledger.signing import InstallationKey
    from sealock.machines.image.additions import Additions
    from sealock.machines.options import MachineOptions
    from sealock.settings import Settings


class Wiring:
    """Implements `cli.tools.Tools` over this host."""

    def settings(self) -> list[SettingRow]:
        """Every setting as text, with where it is from."""
        from sealock.cli.tools import SettingRow

        values, sources = self._loaded
        return [SettingRow(name, _as_text(getattr(values, name)), source) for name, source in sources.items()]

    def images(self) -> Images:
        """The images of this host."""
        from sealock.machines.image.store import ImageStore

        return ImageStore(
            self._settings.images_dir,
            additions=self._additions(),
            mirror=self._settings.image_apt_mirror,
            security_mirror=self._settings.image_apt_security_mirror,
        )

    def projects(self) -> Projects:
        """The projects of this installation."""
        from sealock.store.projects import ProjectFiles

        return ProjectFiles(self._settings.data_dir / "projects")

    def sealer(self) -> Sealer:
        """What makes keys, sealed to their project's key set."""
        from sealock.keeper.seal import KeySealer

        return KeySealer(self._key_sets())

    def key_destroyer(self) -> KeyDestroyer:
        """What ends key sets."""
        return self._key_sets()

    def sealed_places(self) -> Sequence[SealedPlace]:
        """Everywhere sealed values lie: rotation and removal visit all of them."""
        from sealock.store.projects import ProjectFiles
        from sealock.store.sealed import SealedFiles

        data_dir = self._settings.data_dir
        return [ProjectFiles(data_dir / "projects"), SealedFiles(data_dir / "sealed")]

    def keyring(self) -> Keyring:
        """The keys of this installation, for whoever looks after them."""
        from sealock.keeper.keyring import InstallationKeys

        return InstallationKeys(
            self._key_sets(), self._journal, self.sealed_places(), self.projects(), self._opener()
        )

    def git_address(self, url: str) -> GitAddress:
        """A repository's address, checked."""
        from sealock.providers.git.address import parse

        return parse(url)

    def host_keys(self, host: str, port: int, given: tuple[str, ...]) -> tuple[str, ...]:
        """The keys to pin for a Git server."""
        from sealock.providers.git.known_hosts import pins

        return pins(host, port, given, self._settings.known_hosts)

    def reaper(self) -> Reaper:
        """What ends the remains of crashed runs."""
        from sealock.machines.reaper import HostReaper

        return HostReaper(self._settings.runtime_dir)

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[Runner]:
        """What runs builds, with its machines."""
        from sealock.builds.run import Runner
        from sealock.machines.qemu import QemuMachines

        images = self.images()
        async with QemuMachines.from_options(self._machine_options(), images) as machines:
            yield Runner(self._run_ports(machines, images))

    def receipts_directory(self) -> Path:
        """Where receipts are kept."""
        return self._settings.data_dir / "receipts"

    def verifier(self) -> Verifier:
        """What checks receipts; works without an installation."""
        from sealock.ledger.signing import find_public_key
        from sealock.ledger.verify import ReceiptVerifier

        return ReceiptVerifier(find_public_key(self._keys_directory))

    def installation_public_key(self) -> bytes:
        """The public half of the key receipts are signed with, as PEM; made when there is none."""
        return self._installation_key.public_key

    def keeper(self) -> KeeperProcess:
        """The keeper, with the key sets of this installation. Whoever runs it may ask it for everything."""
        from sealock.keeper.peers import Peer, PeerRole, Peers
        from sealock.keeper.process import Keeper, KeeperOptions
        from sealock.ledger.releases import ReleaseLedger

        local = Peer("local", frozenset(PeerRole))
        return Keeper(
            KeeperOptions(
                directory=self._settings.keeper_dir,
                socket=self._settings.keeper_socket,
                peers=Peers(by_user={os.geteuid(): local}),
                ledger=lambda: ReleaseLedger(self._ledger_directory),
                key_sets=self._keeper_key_sets,
                user=self._settings.keeper_user,
                network=self._settings.key_backend in {"vault", "kms"},
                door=self._keeper_door(),
            )
        )

    def keeper_control(self) -> KeeperControl:
        """The keeper that runs for this installation."""
        return self._keeper_client()

    def exposures(self) -> Exposures:
        """What the ledger says; the keeper need not run for it."""
        from sealock.ledger.releases import ReleaseReader

        return ReleaseReader(self._ledger_directory)

    @property
    def _ledger_directory(self) -> Path:
        return self._settings.keeper_dir / "ledger"

    def _keeper_client(self) -> KeeperClient:
        from sealock.keeper.client import KeeperClient, LocalDoor

        users = {0, os.geteuid()}
        with suppress(KeyError):
            users.add(pwd.getpwnam(self._settings.keeper_user).pw_uid)
        return KeeperClient(LocalDoor(self._settings.keeper_socket, frozenset(users)))

    def _keeper_door(self) -> NetworkDoor | None:
        from sealock.core.errors import UsageError
        from sealock.keeper.process import NetworkDoor

        listen, tls = self._settings.keeper_listen, self._settings.keeper_tls_dir
        if listen is None:
            return None
        if tls is None:
            raise UsageError(
                "keeper_listen needs keeper_tls_dir",
                resolution="Other hosts reach the keeper over TLS alone: set both, or none.",
            )
        host, _, port = listen.rpartition(":")
        return NetworkDoor(host, int(port), tls / "certificate.pem", tls / "key.pem", tls / "authority.pem")

    def _key_sets(self) -> KeySets:
        from sealock.keeper.backends.choose import choose
        from sealock.keeper.keyset_files import KeySetFiles
        from sealock.keeper.keysets import KeySets

        files = KeySetFiles(self._keys_directory / "sets")
        return KeySets(files, choose(self._backend_options()), self._journal.generation)

    def _keeper_key_sets(self) -> KeySets:
        """The key sets, once it is proved that they open: better at the start than when a build waits. A
        passphrase is asked for here as well, while there is somebody to ask."""
        from sealock.core.decision import Denied
        from sealock.core.errors import PermanentError

        sets = self._key_sets()
        status = sets.backends.current.status()
        if isinstance(status.works, Denied):
            raise PermanentError(
                f"the back end {status.name} of the keys does not work", details=status.works.reason
            )
        return sets

    @property
    def _journal(self) -> Journal:
        from sealock.keeper.journal import Journal

        return Journal(self._keys_directory / "rotation.json")

    def _opener(self) -> Opener:
        from sealock.keeper.kek import FileKek
        from sealock.keeper.open import KeyOpener

        return KeyOpener(self._key_sets(), lambda: FileKek(self._settings.key_encryption_key))

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
            file=settings.key_encryption_key,
            passphrase_file=self._keys_directory / "passphrase-keys",
            ask=self._passphrase,
            vault=vault,
            kms=KmsOptions(settings.kms_key, endpoint) if settings.kms_key else None,
            kms_before=KmsOptions(before, endpoint) if before else None,
        )

    def _passphrase(self) -> Secret:
        from sealock.keeper.passphrase import ask_passphrase, read_passphrase

        place = self._settings.key_passphrase_file
        return read_passphrase(place) if place else ask_passphrase()

    @cached_property
    def _loaded(self) -> tuple[Settings, dict[str, str]]:
        from sealock.settings import load

        return load()

    @property
    def _settings(self) -> Settings:
        return self._loaded[0]

    @property
    def _keys_directory(self) -> Path:
        return self._settings.data_dir / "keys"

    @cached_property
    def _installation_key(self) -> InstallationKey:
        from sealock.ledger.signing import InstallationKey

        return InstallationKey.load_or_create(self._keys_directory)

    def _additions(self) -> Additions:
        from sealock.machines.image.additions import Additions, read_certificates

        settings = self._settings
        certificate = settings.image_ca_certificate
        return Additions(
            ca_certificates=read_certificates(certificate) if certificate else None,
            apt_sources=_content(settings.image_apt_sources),
            pip_conf=_content(settings.image_pip_configuration),
            npmrc=_content(settings.image_npm_configuration),
        )

    def _machine_options(self) -> MachineOptions:
        from sealock.machines.options import MachineOptions

        settings = self._settings
        return MachineOptions(
            runtime_dir=settings.runtime_dir,
            qemu=settings.qemu,
            pasta=settings.pasta,
            user=settings.machine_user,
            acceleration=settings.acceleration,
            network_allow=settings.network_allow,
            swap_is_encrypted=settings.swap == "encrypted",
            pool_size=settings.pool_size,
            keep_template=settings.keep_template,
        )

    def _run_ports(self, machines: Machines, images: Images) -> RunPorts:
        from sealock.builds.checkout import CheckoutPorts
        from sealock.builds.request import RunPorts
        from sealock.ledger.receipts import ReceiptFiles
        from sealock.machines.agent import SshAgents
        from sealock.pipeline.reader import read_plan
        from sealock.providers.git.address import parse
        from sealock.providers.git.dial import GitDialer
        from sealock.providers.git.local import LocalRepositories
        from sealock.providers.git.ref import check_ref

        settings = self._settings
        return RunPorts(
            machines=machines,
            images=images,
            repositories=LocalRepositories(settings.runtime_dir),
            projects=self.projects(),
            receipts=ReceiptFiles(self.receipts_directory(), self._installation_key),
            checkout=CheckoutPorts(
                dialer=GitDialer(settings.git_allow),
                agents=SshAgents(settings.runtime_dir),
                opener=self._opener(),
                parse_address=parse,
                check_ref=check_ref,
            ),
            read_plan=partial(read_plan, default_image=settings.image),
            default_image=settings.image,
        )


def _as_text(value: object) -> str:
    """As it would be written in the environment."""
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _content(path: Path | None) -> str | None:
    """A file's text; that it is there was checked with the settings."""
    return path.read_text(encoding="utf-8") if path else None
