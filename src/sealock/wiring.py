"""Makes the adapters out of the settings, each when it is first asked for.

The one place that knows them all. Imports stand inside the methods, since most commands need few of
the libraries underneath and should not wait for the others.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sealock.builds.request import RunPorts, SecretPorts
    from sealock.builds.run import Runner
    from sealock.cli.tools import SettingRow
    from sealock.core.backup import Backups
    from sealock.core.image import Images
    from sealock.core.keeper import KeeperControl, KeeperProcess
    from sealock.core.keyring import Keyring
    from sealock.core.keys import Sealer, SecretSealer
    from sealock.core.log import BuildLogs
    from sealock.core.machine import Machines, Reaper
    from sealock.core.plan import PlanReader
    from sealock.core.project import Projects
    from sealock.core.receipt import Verifier
    from sealock.core.release import Exposures
    from sealock.core.sealed import KeyDestroyer, PublicKeys, SealedPlace, SealedValues
    from sealock.core.server import Server
    from sealock.core.source import GitAddress
    from sealock.core.worker_process import WorkerOptions, WorkerProcess
    from sealock.keeper.asked import Ask
    from sealock.keeper.asked_keyring import AskedKeyring, Asking
    from sealock.keeper.client import KeeperClient, LocalDoor
    from sealock.keeper.remote_door import RemoteDoor
    from sealock.keeper.tls import TlsFiles
    from sealock.keeper.within_reach import Keeper
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

    def plan_reader(self) -> PlanReader:
        """What makes a plan of a sealock.yml, as builds do."""
        from sealock.pipeline.reader import read_plan

        return partial(read_plan, default_image=self._settings.image)

    def default_image(self) -> str:
        """What builds that name no image run in."""
        return self._settings.image

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
        """What makes keys, sealed to their project's key set. It asks the keeper for what to seal to."""
        from sealock.keeper.seal import KeySealer

        return KeySealer(self._public_keys())

    def key_destroyer(self) -> KeyDestroyer:
        """What has the keeper end key sets."""
        return self._asked_keyring()

    def sealed_places(self) -> Sequence[SealedPlace]:
        """Everywhere sealed values lie: rotation and removal visit all of them."""
        from sealock.store.database.sealed_place import DatabaseSealedPlace
        from sealock.store.projects import ProjectFiles

        files = [ProjectFiles(self._settings.data_dir / "projects"), self.sealed_values()]
        return [*files, DatabaseSealedPlace(self._database_url)] if self._has_database else files

    def sealed_values(self) -> SealedValues:
        """Secrets and the keys of logs, sealed."""
        from sealock.store.sealed import SealedFiles

        return SealedFiles(self._settings.data_dir / "sealed")

    def secret_sealer(self) -> SecretSealer:
        """What takes secrets, and cannot give them back."""
        from sealock.keeper.seal_secret import ValueSealer

        return ValueSealer(self._public_keys(), self.sealed_values())

    @asynccontextmanager
    async def logs(self) -> AsyncIterator[BuildLogs]:
        """The sealed logs of builds."""
        async with self._attended() as keeper:
            yield self._build_logs(keeper)

    def backups(self) -> Backups:
        """What backs this installation up."""
        from sealock.keeper.asked_rotation import alone
        from sealock.store.backups import InstallationBackups

        return InstallationBackups(
            self._settings.data_dir,
            self._database_url,
            has_database=self._has_database,
            alone=partial(alone, self._settings.data_dir / "rotation.lock"),
        )

    def keyring(self) -> Keyring:
        """The keys of this installation, for whoever looks after them."""
        return self._asked_keyring()

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
        async with (
            self._attended() as keeper,
            QemuMachines.from_options(self._machine_options(), images) as machines,
        ):
            yield Runner(self._run_ports(machines, images, keeper))

    def worker(self, options: WorkerOptions) -> WorkerProcess:
        """A worker on this host."""
        from sealock.working import Working

        return Working(self._settings, self.images(), self._machine_options()).worker(options)

    def worker_directory(self) -> Path:
        """Where this host's worker keeps what it is known by."""
        return self._settings.data_dir / "worker"

    async def admit_local_worker(self) -> bool:
        """Have the keeper know this host's worker, whose key is made first if there is none; whether it does
        now, since that takes an operator. KeeperAway."""
        from sealock.core.server import LOCAL_WORKER
        from sealock.keeper.asked_roll import AskedRoll
        from sealock.keeper.identity import load_or_create
        from sealock.keeper.signing import public_half
        from sealock.working import SIGNING_KEY

        key = load_or_create(self.worker_directory() / SIGNING_KEY)
        return await AskedRoll(self._keeper_client().ask).introduce(LOCAL_WORKER, public_half(key))

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
        from sealock.core.errors import UsageError
        from sealock.keeping import Keeping

        elsewhere = self._settings.keeper_address
        if elsewhere is not None:
            raise UsageError(
                f"this host's keeper is the one at {elsewhere}",
                resolution="Start it on its own host. For a keeper on this one, with keys of its own, take "
                "keeper_address out of the settings.",
            )
        return Keeping(self._settings).keeper()

    def keeper_is_here(self) -> bool:
        """Whether the keeper runs on this host."""
        return self._settings.keeper_address is None

    def keeper_control(self) -> KeeperControl:
        """The keeper that runs for this installation."""
        return self._keeper_client()

    def keeper_introduction(self, name: str) -> str:
        """What `authorities.json` of a keeper on another host must have for this one, as JSON."""
        from sealock.keeper.introduction import introduce
        from sealock.website_user import session_key

        others = [session_key(self._settings)] if self._settings.web_user else []
        return introduce(name, self._owner_key(), self._client_tls_files.certificate, *others)

    def server(self) -> Server:
        """The website with its door for workers."""
        from sealock.core.queue import Patience
        from sealock.serving import Serving
        from sealock.serving_parts import Installation
        from sealock.store.database.sealed_place import DatabaseSealedPlace
        from sealock.website_user import WebsiteUser, session_key

        settings, client = self._settings, self._keeper_client()
        # The ledger's file is not for root without its rights where it is another user's.
        apart = settings.keeper_user or settings.web_user
        return Serving(
            Installation(
                settings=settings,
                database_url=lambda: self._database_url,
                client=client,
                owner_key=partial(session_key, settings) if settings.web_user else self._owner_key,
                values=self.sealed_values(),
                # Without the projects of `sealock run`, none of which is the website's.
                places=lambda: [self.sealed_values(), DatabaseSealedPlace(self._database_url)],
                user=WebsiteUser(settings),
                keys=self._keyring_of(self._asking_running_keeper),
                exposures=client if apart else self.exposures(),
                patience=Patience(away=settings.website_away),
            )
        )

    def exposures(self) -> Exposures:
        """What the ledger says; the keeper of this host need not run for it."""
        from sealock.ledger.releases import ReleaseReader

        if self._settings.keeper_address is not None:
            return self._keeper_client()
        return ReleaseReader(self._settings.keeper_dir / "ledger")

    def _asked_keyring(self) -> AskedKeyring:
        return self._keyring_of(self._asking_keeper)

    def _keyring_of(self, asking: Asking) -> AskedKeyring:
        from sealock.keeper.asked_keyring import AskedKeyring

        return AskedKeyring(
            asking,
            self.sealed_places(),
            self.projects(),
            self._settings.data_dir / "rotation.lock",
        )

    @asynccontextmanager
    async def _asking_keeper(self) -> AsyncIterator[Ask]:
        async with self._attended() as keeper:
            yield keeper.ask

    @asynccontextmanager
    async def _asking_running_keeper(self) -> AsyncIterator[Ask]:
        """Where none may be started: a website starts no program."""
        yield self._keeper_client().ask

    def _attended(self) -> Keeper:
        from sealock.keeper.attend import AttendedKeeper
        from sealock.keeper.remote import RemoteKeeper

        if self._settings.keeper_address is not None:
            return RemoteKeeper(self._keeper_client(), self._owner_key)
        return AttendedKeeper(
            self._keeper_client(),
            # -P: nothing is imported from the directory one happens to stand in, such as a build's own.
            [sys.executable, "-P", "-m", "sealock", "keeper", "--attended"],
            self._settings.data_dir / "keeper.starting",
            self._settings.keeper_dir,
            owner_key=self._owner_key,
            say=lambda line: print(f"keeper: {line}", file=sys.stderr),
        )

    def _owner_key(self) -> Ed25519PrivateKey:
        from sealock.keeper.identity import load_or_create

        return load_or_create(self._settings.data_dir / "owner-key")

    def _public_keys(self) -> PublicKeys:
        from sealock.keeper.within_reach import AskedPublicKeys

        return AskedPublicKeys(self._attended())

    def _build_logs(self, keeper: Keeper) -> BuildLogs:
        from sealock.keeper.log_keys import SealedBuildLogs
        from sealock.livelog.files import LogFiles

        return SealedBuildLogs(LogFiles(self._settings.data_dir / "logs"), self.sealed_values(), keeper)

    def _keeper_client(self) -> KeeperClient:
        from sealock.keeper.client import KeeperClient
        from sealock.keeper.signing import AsWorker

        return KeeperClient(self._keeper_door(), AsWorker(self._run_key, is_run=True))

    def _run_key(self) -> Ed25519PrivateKey:
        """What `sealock run` signs what it asks of the keeper with."""
        from sealock.keeper.identity import load_or_create

        return load_or_create(self._settings.data_dir / "run-key")

    def _keeper_door(self) -> LocalDoor | RemoteDoor:
        from sealock.keeper.client import LocalDoor
        from sealock.keeper.remote_door import RemoteDoor
        from sealock.keeper.tls import client_tls

        address = self._settings.keeper_address
        if address is not None:
            host, _, port = address.rpartition(":")
            return RemoteDoor(host, int(port), client_tls(self._client_tls_files))
        users = {0, os.geteuid()}
        with suppress(KeyError):
            users.add(pwd.getpwnam(self._settings.keeper_user).pw_uid)
        return LocalDoor(self._settings.keeper_socket, frozenset(users))

    @property
    def _client_tls_files(self) -> TlsFiles:
        from sealock.core.errors import UsageError
        from sealock.keeper.tls import TlsFiles

        directory = self._settings.keeper_client_tls_dir
        if directory is None:
            raise UsageError(
                "a keeper on another host needs keeper_client_tls_dir",
                resolution="Set it to the directory with this host's certificate.pem, key.pem and "
                "authority.pem; docs/keeper.md says how they are made.",
            )
        return TlsFiles.of(directory)

    @cached_property
    def _loaded(self) -> tuple[Settings, dict[str, str]]:
        from sealock.settings import load
        from sealock.website_user import trust_website_user

        loaded = load()
        trust_website_user(loaded[0])
        return loaded

    @property
    def _database_url(self) -> str:
        """Of the server's database: the one that is set, or a file of ours."""
        from sealock.store.database.own_place import database_file

        url = self._settings.database
        return url.get_secret_value() if url else f"sqlite:///{database_file(self._settings.data_dir)}"

    @property
    def _has_database(self) -> bool:
        """There is a server here, or has been."""
        from sealock.store.database.own_place import database_file

        return self._settings.database is not None or database_file(self._settings.data_dir).exists()

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
            pool_size=settings.pool_size or 0,
            keep_template=settings.keep_template,
        )

    def _run_ports(self, machines: Machines, images: Images, keeper: Keeper) -> RunPorts:
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
                parse_address=parse,
                check_ref=check_ref,
            ),
            secrets=self._secret_ports(keeper),
            read_plan=partial(read_plan, default_image=settings.image),
            default_image=settings.image,
        )

    def _secret_ports(self, keeper: Keeper) -> SecretPorts:
        from sealock.builds.request import SecretPorts
        from sealock.keeper.halves import belongs_to
        from sealock.livelog.mask import StreamMasker

        return SecretPorts(
            leases=keeper,
            values=self.sealed_values(),
            belongs_to=belongs_to,
            new_masker=StreamMasker,
            logs=self._build_logs(keeper),
            protected_branches=self._settings.protected_branches,
            prepare=keeper.there,
        )


def _as_text(value: object) -> str:
    """As it would be written in the environment."""
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _content(path: Path | None) -> str | None:
    """A file's text; that it is there was checked with the settings."""
    return path.read_text(encoding="utf-8") if path else None
