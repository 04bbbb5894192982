"""What the website's two doors are given, made out of an open database and the rest of an installation."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from sealock import __version__
from sealock.core.files import create_secret_file, read_secret_file
from sealock.core.queue import ORDINARY, Patience
from sealock.core.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from sealock.access.authority import Authority
    from sealock.access.joining import Joining
    from sealock.builds.hosted_projects import HostedProjects
    from sealock.builds.intake import Intake
    from sealock.builds.log_sweep import LogSweep
    from sealock.core.log_pages import LogShelf
    from sealock.core.queue import Wakeups
    from sealock.core.release import Exposures
    from sealock.core.sealed import KeyDestroyer, Owner, PublicKeys, SealedPlace, SealedValues
    from sealock.keeper.client import KeeperClient
    from sealock.ledger.signing import InstallationKey
    from sealock.livelog.files import LogFiles
    from sealock.settings import Settings
    from sealock.store.database.access import DatabaseAccess
    from sealock.store.database.builds import DatabaseBuilds
    from sealock.store.database.engine import Database
    from sealock.store.database.workers import DatabaseWorkers
    from sealock.store.queue.database import DatabaseQueue
    from sealock.web.origin import Origin
    from sealock.web.ports import ServicePorts, WebPorts
    from sealock.web.rates import Rates
    from sealock.web.worker_ports import WorkerPorts
    from sealock.website_user import WebsiteUser

HOOK_KEY_LENGTH = 32

Say = Callable[[str], None]


@dataclass(frozen=True)
class Installation:
    """What serving shares with the rest of an installation. client: the keeper, which is never started from
    here. owner_key: people are signed in with the keeper by it. places: where sealed values lie.
    database_url: of the server's database. patience: of its queue. user: who serves it."""

    settings: Settings
    database_url: Callable[[], str]
    client: KeeperClient
    owner_key: Callable[[], Ed25519PrivateKey]
    values: SealedValues
    places: Callable[[], Sequence[SealedPlace]]
    keys: KeyDestroyer
    exposures: Exposures
    user: WebsiteUser
    patience: Patience = ORDINARY


@dataclass(frozen=True)
class Parts:
    """What the two doors are given, and what destroys old logs meanwhile."""

    web: WebPorts
    workers: WorkerPorts
    sweep: LogSweep


class Making:
    """Makes the ports. Each part is made once."""

    def __init__(
        self,
        installation: Installation,
        database: Database,
        wakeups: Wakeups,
        authority: Authority,
        origin: Origin,
    ) -> None:
        self._installation, self._settings = installation, installation.settings
        self._database, self._wakeups = database, wakeups
        self._authority, self._origin = authority, origin

    async def parts(self, stack: AsyncExitStack, workers_at: str, say: Say) -> Parts:
        """All of it. stack: closes what is open. workers_at: where workers of other hosts reach us."""
        service = await self._service(stack, workers_at)
        rates = await self._rates(stack)
        return Parts(self._web(service, rates), self._for_workers(rates, say), self._sweep(service.logs))

    def _sweep(self, logs: LogShelf) -> LogSweep:
        from sealock.builds.log_sweep import LogSweep
        from sealock.store.database.log_sweeps import DatabaseEndedBuilds

        return LogSweep(DatabaseEndedBuilds(self._database), logs, self._settings.keep_logs)

    async def _rates(self, stack: AsyncExitStack) -> Rates:
        """Of requests; counted in memory, or where several websites share them."""
        from sealock.serving_shared import redis_of
        from sealock.web.rates import Rates

        server = redis_of(self._settings)
        if server is None:
            return Rates()
        from sealock.store.redis.rates import shared_counts

        return Rates(await stack.enter_async_context(shared_counts(server)))

    def _web(self, service: ServicePorts, rates: Rates) -> WebPorts:
        from sealock.access.passwords import Passwords
        from sealock.access.sessions import Sessions
        from sealock.access.sign_in import Setup, SignIn
        from sealock.access.tokens import Tokens
        from sealock.builds.hosted_hooks import HostedHooks
        from sealock.providers.git.ref import check_ref
        from sealock.store.database.all_projects import DatabaseAllProjects
        from sealock.web.ports import WebPorts
        from sealock.web.streams import Streams

        passwords = Passwords()
        return WebPorts(
            sign_in=SignIn(self._access, passwords),
            setup=Setup(self._access, passwords),
            sessions=Sessions(self._access),
            tokens=Tokens(self._access),
            hooks=HostedHooks(self._hook_key, DatabaseAllProjects(self._database), self._intake),
            check_ref=check_ref,
            rates=rates,
            streams=Streams(),
            service=service,
        )

    async def _service(self, stack: AsyncExitStack, workers_at: str) -> ServicePorts:
        from sealock.builds.badges import Badges
        from sealock.builds.hosted_secrets import HostedSecrets
        from sealock.keeper.asked_roll import AskedRoll
        from sealock.keeper.member import SealedMemberLogs
        from sealock.keeper.seal_secret import ValueSealer
        from sealock.livelog.shelf import SealedShelf
        from sealock.store.database.accounts import DatabaseAccounts
        from sealock.store.database.all_projects import DatabaseAllProjects
        from sealock.store.database.idempotency import DatabaseIdempotency
        from sealock.web.ports import ServicePorts, Site

        client, values = self._installation.client, self._installation.values
        logs = SealedMemberLogs(self._logs, values, client, self._installation.owner_key)
        own = self._settings.certificate is None
        return ServicePorts(
            site=Site(
                self._origin.host,
                __version__,
                self._installation_key.public_key,
                self._authority.certificate().read_bytes() if own else None,
                workers_at,
                self._settings.keep_logs,
            ),
            accounts=DatabaseAccounts(self._database, self._wakeups),
            projects=self._projects,
            secrets=HostedSecrets(self._projects.get, values, ValueSealer(self._public_keys, values)),
            builds=self._builds,
            intake=self._intake,
            queue=self._queue,
            wakeups=self._wakeups,
            logs=await stack.enter_async_context(SealedShelf(logs, self._wakeups)),
            workers=self._workers,
            invites=self._joining,
            exposures=self._installation.exposures,
            idempotency=DatabaseIdempotency(self._database),
            badges=Badges(self._hook_key, DatabaseAllProjects(self._database), self._builds),
            roll=AskedRoll(client.ask),
        )

    def _for_workers(self, rates: Rates, say: Say) -> WorkerPorts:
        from sealock.keeper.asked_roll import AskedRoll
        from sealock.keeper.relay import WorkerRelay
        from sealock.ledger.receipts import Signer
        from sealock.livelog.received import ReceivedLogs
        from sealock.web.worker_ports import WorkerPorts

        return WorkerPorts(
            workers=self._workers,
            certifying=self._joining,
            queue=self._queue,
            wakeups=self._wakeups,
            builds=self._builds,
            values=self._installation.values,
            exposures=self._installation.exposures,
            relay=WorkerRelay(self._installation.client, say),
            roll=AskedRoll(self._installation.client.ask),
            logs=ReceivedLogs(self._logs.directory),
            signer=Signer(self._installation_key),
            rates=rates,
            version=__version__,
        )

    @cached_property
    def _projects(self) -> HostedProjects:
        from sealock.builds.hook_secret import derive_hook_secret
        from sealock.builds.hosted_projects import HostedProjects, ProjectPorts
        from sealock.keeper.seal import KeySealer
        from sealock.providers.git.address import parse
        from sealock.providers.git.known_hosts import pins
        from sealock.providers.git.ref import check_ref
        from sealock.store.database.projects import DatabaseProjects

        installation, settings = self._installation, self._settings
        return HostedProjects(
            ProjectPorts(
                records=partial(DatabaseProjects, self._database),
                builds=self._builds,
                queue=self._queue,
                sealer=KeySealer(self._public_keys),
                keys=installation.keys,
                places=installation.places(),
                remove_logs=self._remove_logs,
                parse=parse,
                host_keys=lambda host, port, given: pins(host, port, given, settings.known_hosts),
                check_ref=check_ref,
                hook_secret=partial(derive_hook_secret, self._hook_key),
                keep_logs=settings.keep_logs,
            )
        )

    @cached_property
    def _intake(self) -> Intake:
        from sealock.builds.intake import Intake
        from sealock.providers.git.ref import check_ref
        from sealock.store.database.projects import DatabaseProjects

        records = partial(DatabaseProjects, self._database)
        return Intake(records, self._builds, check_ref, self._settings.protected_branches)

    @cached_property
    def _queue(self) -> DatabaseQueue:
        from sealock.store.queue.database import DatabaseQueue

        return DatabaseQueue(self._database, self._wakeups, self._installation.patience)

    @cached_property
    def _builds(self) -> DatabaseBuilds:
        from sealock.store.database.builds import DatabaseBuilds

        return DatabaseBuilds(self._database, self._queue)

    @cached_property
    def _access(self) -> DatabaseAccess:
        from sealock.store.database.access import DatabaseAccess

        return DatabaseAccess(self._database)

    @cached_property
    def _workers(self) -> DatabaseWorkers:
        from sealock.store.database.workers import DatabaseWorkers

        return DatabaseWorkers(self._database)

    @cached_property
    def _joining(self) -> Joining:
        from sealock.access.joining import Joining

        return Joining(self._access, self._authority)

    @cached_property
    def _logs(self) -> LogFiles:
        from sealock.livelog.files import LogFiles

        return LogFiles(self._settings.data_dir / "logs")

    @cached_property
    def _public_keys(self) -> PublicKeys:
        from sealock.keeper.remote import RemoteKeeper
        from sealock.keeper.within_reach import AskedPublicKeys

        return AskedPublicKeys(RemoteKeeper(self._installation.client, self._installation.owner_key))

    @cached_property
    def _installation_key(self) -> InstallationKey:
        from sealock.ledger.signing import InstallationKey

        return InstallationKey.load_or_create(self._settings.data_dir / "keys")

    @cached_property
    def _hook_key(self) -> Secret:
        """What every hook's secret is derived from; made at the first start."""
        path = self._settings.data_dir / "keys" / "hook-key"
        create_secret_file(path, os.urandom(HOOK_KEY_LENGTH))
        return Secret(read_secret_file(path, longest=HOOK_KEY_LENGTH))

    def _remove_logs(self, owner: Owner, by: str) -> object:
        from sealock.builds.logs import remove_logs_of
        from sealock.keeper.log_keys import SealedBuildLogs
        from sealock.keeper.remote import RemoteKeeper

        keeper = RemoteKeeper(self._installation.client, self._installation.owner_key)
        values = self._installation.values
        return remove_logs_of(owner, by, values=values, logs=SealedBuildLogs(self._logs, values, keeper))
