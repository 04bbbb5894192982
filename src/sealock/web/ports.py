"""What the website is given. It calls these and nothing else; `access` and the database stand behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sealock.builds.badges import Badge
from sealock.builds.hook_events import CheckRef, HookTarget, Push
from sealock.core.access import ApiToken, Permission, Person, SignedIn, TokenUse, WebSession
from sealock.core.accounts import AccountRecords
from sealock.core.builds import BuildRecords, Created
from sealock.core.decision import Denied
from sealock.core.log_pages import LogShelf
from sealock.core.project import Project
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Queue, Wakeups
from sealock.core.release import Exposures
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, SealedName, SealedVersion
from sealock.core.secret import Secret
from sealock.core.workers import WorkerRecords
from sealock.web.rates import Rates
from sealock.web.streams import Streams


class SignInPort(Protocol):
    """`access.sign_in.SignIn`."""

    async def check(self, email: str, password: Secret) -> Person | Denied:
        """The person, if the password is theirs."""
        ...

    async def change_password(self, person: Person, old: Secret, new: Secret) -> bool:
        """Replace a person's password; False if the old one is wrong. UsageError if the new one will not do.
        The caller ends the person's other sessions."""
        ...


class SetupPort(Protocol):
    """`access.sign_in.Setup`."""

    async def finish(self, value: str, email: str, name: str, password: Secret) -> Person | Denied:
        """The first owner, by a link that works once."""
        ...


class SessionsPort(Protocol):
    """`access.sessions.Sessions`."""

    async def begin(
        self, person: Person, *, before: str | None = None, agent: str = "", address: str = ""
    ) -> Secret:
        """A new session, as the value for its cookie."""
        ...

    async def read(self, value: str) -> SignedIn | None:
        """Who that cookie's value belongs to."""
        ...

    async def end(self, value: str) -> None:
        """Sign out."""
        ...

    async def all_of(self, person: Person) -> list[WebSession]:
        """A person's live sessions, newest first."""
        ...

    async def revoke(self, person: Person, session_id: str) -> bool:
        """End one of a person's own sessions."""
        ...

    async def revoke_others(self, person: Person, session: WebSession) -> int:
        """End all of a person's sessions but this one; how many."""
        ...


class TokensPort(Protocol):
    """`access.tokens.Tokens`."""

    async def read(self, text: str) -> TokenUse | None:
        """Whom a token acts for."""
        ...

    async def make(
        self, person: Person, account: str, name: str, permissions: frozenset[Permission], days: int
    ) -> tuple[ApiToken, Secret]:
        """A new token, and its text, which is shown once. UsageError for what a token cannot be."""
        ...

    async def all_of(self, person: Person) -> list[ApiToken]:
        """A person's live tokens, newest first."""
        ...

    async def revoke(self, person: Person, token_id: str) -> bool:
        """End one of a person's own tokens."""
        ...


class HooksPort(Protocol):
    """Projects with a hook, and what comes of a push."""

    async def target(self, project_id: str) -> HookTarget | None:
        """The project of that id."""
        ...

    async def take(self, project_id: str, push: Push) -> bool:
        """Take a push in, once: False, and nothing happens, if the project has had that delivery. In one
        transaction, so that a delivery is never remembered without its build, nor built twice. A delivery
        is remembered for at least twice `hook_events.WINDOW`."""
        ...


class IntakePort(Protocol):
    """`builds.intake.Intake`: what becomes a build."""

    async def start(
        self,
        account: str,
        project: str,
        *,
        ref: str | None,
        pipelines: tuple[str, ...],
        person: str | None,
        delivery: str = "",
    ) -> Created:
        """A build that somebody asks for. ref: a branch, a commit or `refs/tags/TAG` (a name alone is a
        branch), None for the default branch. UsageError for a ref or a pipeline's name that cannot be one;
        LookupError if there is no such project."""
        ...

    async def restart(
        self,
        account: str,
        build: str,
        *,
        failed_only: bool,
        person: str | None,
        only: tuple[str, ...] = (),
        delivery: str = "",
    ) -> Created:
        """The same commit again, in a new build. only: these of its pipelines; none: all, or with failed_only
        those that did not pass. UsageError if it has not ended, nothing failed, or it has no such pipeline;
        LookupError if there is no such build."""
        ...


class ProjectsPort(Protocol):
    """`builds.hosted_projects.HostedProjects`: the projects of accounts. project: an id. LookupError where an
    account has no such project."""

    async def all(self, account: str) -> list[Project]:
        """Every project, by name."""
        ...

    async def get(self, account: str, project: str) -> Project:
        """The project of that id."""
        ...

    async def named(self, account: str, name: str) -> Project:
        """The project of that name."""
        ...

    async def create(self, account: str, name: str, address: str, host_keys: tuple[str, ...]) -> Project:
        """A new project with a new key. host_keys: lines as of `ssh-keyscan`; none: those the installation
        knows. UsageError naming what cannot be."""
        ...

    async def settings(self, account: str, project: str) -> ProjectSettings:
        """What its people decided."""
        ...

    async def change(self, account: str, project: str, settings: ProjectSettings) -> None:
        """Put these in the place of the others. UsageError naming what cannot be."""
        ...

    async def reset_key(self, account: str, project: str) -> Project:
        """Give it a new key; the old one is gone."""
        ...

    async def remove(self, account: str, project: str, *, person: str) -> None:
        """Destroy its keys, then everything of it. UsageError while one of its builds runs."""
        ...

    async def hook_secret(self, account: str, project: str) -> Secret:
        """What its hook's deliveries are signed with: printable ASCII."""
        ...

    async def reset_hook_secret(self, account: str, project: str) -> Secret:
        """A new one; the old one is taken for a day longer."""
        ...

    async def reset_badge(self, account: str, project: str) -> ProjectSettings:
        """Give its badge a new address; the old one shows nothing any more. What its settings are now."""
        ...


class BadgesPort(Protocol):
    """`builds.badges.Badges`: how a branch stands, for whoever has a badge's address."""

    def key(self, project: str, version: int) -> str:
        """The key in the address, of that version."""
        ...

    async def read(self, project: str, key: str, branch: str | None) -> Badge | None:
        """How that branch, or the default one, stands; None if the key is not the project's."""
        ...


class SecretsPort(Protocol):
    """`builds.hosted_secrets.HostedSecrets`: a project's secrets, which go in and never come out."""

    async def all(self, account: str, project: str) -> list[SealedVersion]:
        """Every version there ever was."""
        ...

    async def keep(
        self, account: str, project: str, *, kind: Kind, name: str, value: Secret, scope: Scope
    ) -> SealedName:
        """Seal the next version; `value` is forgotten. UsageError for what no step could be given."""
        ...

    async def remove(self, account: str, project: str, name: str, version: int | None = None) -> int:
        """Destroy every version, or that one; how many. LookupError if there is none."""
        ...


class InvitesPort(Protocol):
    """`access.joining`: how a worker gets its certificate."""

    async def invite(self, name: str) -> Secret:
        """The text of a token that works once, with all a worker needs to know us by."""
        ...


class RollPort(Protocol):
    """`keeper.asked_roll.AskedRoll`: the workers that the keeper knows. `core.lease.KeeperAway`."""

    async def withdraw(self, name: str, key: bytes | None = None) -> bool:
        """Have it know that worker no more, if it has that key; False where we may not."""
        ...


class IdempotencyPort(Protocol):
    """Requests that were made with a key, so that one sent twice is done once. caller: an id."""

    async def begin(self, caller: str, key: str, request: bytes) -> tuple[int, bytes] | bool:
        """True: it is new, and the caller's to do. False: it is being done. Else the answer it had: status
        and body. UsageError if the key was used for another request. request: SHA-256 of it."""
        ...

    async def finish(self, caller: str, key: str, status: int, body: bytes) -> None:
        """Keep the answer."""
        ...

    async def give_up(self, caller: str, key: str) -> None:
        """It failed by no fault of the request; it may be sent again."""
        ...


@dataclass(frozen=True)
class Site:
    """What pages say of the installation. public_key: receipts are signed with its other half, PEM.
    authority: its certificate authority, PEM, `None` with an operator's certificate. workers: the address
    that workers of other hosts are given. keep_logs: days after a build's end, 0 for ever."""

    name: str
    version: str
    public_key: bytes
    authority: bytes | None = None
    workers: str = ""
    keep_logs: int = 0


@dataclass(frozen=True)
class WebPorts:
    """All of it."""

    sign_in: SignInPort
    setup: SetupPort
    sessions: SessionsPort
    tokens: TokensPort
    hooks: HooksPort
    check_ref: CheckRef
    rates: Rates
    streams: Streams
    service: ServicePorts | None = None


@dataclass(frozen=True)
class ServicePorts:
    """What pages and API work on. roll: None where no keeper is told of workers that are removed."""

    site: Site
    accounts: AccountRecords
    projects: ProjectsPort
    secrets: SecretsPort
    builds: BuildRecords
    intake: IntakePort
    queue: Queue
    wakeups: Wakeups
    logs: LogShelf
    workers: WorkerRecords
    invites: InvitesPort
    exposures: Exposures
    idempotency: IdempotencyPort
    badges: BadgesPort
    roll: RollPort | None = None
