"""Who uses the website, and what shows it: a password, a session, a token.

    Person ── Membership      what they are, in which account
      ├── WebSession          a browser that signed in; ends by time, by sign-out, by being revoked
      └── ApiToken            a program that acts for them, with some of their permissions

What a browser or program holds is never kept: records have its SHA-256, which opens nothing. The
keeper's `core.grant.Session` is another thing: the signed statement the keeper releases content for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sealock.core.decision import Allowed, Decision, Denied
from sealock.core.grant import Role


class Permission(StrEnum):
    """What one may do, as `scope:resource:action`. A route of the website asks for exactly one."""

    PROJECTS_READ = "account:projects:read"
    PROJECTS_WRITE = "account:projects:write"
    BUILDS_READ = "account:builds:read"
    BUILDS_START = "account:builds:start"
    BUILDS_CANCEL = "account:builds:cancel"
    LOGS_READ = "account:logs:read"
    SECRETS_WRITE = "account:secrets:write"
    MEMBERS_READ = "account:members:read"
    MEMBERS_WRITE = "account:members:write"
    GRANTS_WRITE = "account:grants:write"
    AUDIT_READ = "account:audit:read"
    BILLING_WRITE = "account:billing:write"
    OWN_SESSIONS_WRITE = "person:sessions:write"
    OWN_TOKENS_WRITE = "person:tokens:write"
    WORKERS_WRITE = "installation:workers:write"
    STATUS_READ = "installation:status:read"

    def account_of(self, account: str) -> str:
        """Where one must have it to use it in an account: there, or in the installation (``)."""
        return "" if self.value.startswith("installation:") else account


TOKEN_PERMISSIONS = (
    Permission.PROJECTS_READ,
    Permission.PROJECTS_WRITE,
    Permission.BUILDS_READ,
    Permission.BUILDS_START,
    Permission.BUILDS_CANCEL,
    Permission.LOGS_READ,
    Permission.SECRETS_WRITE,
    Permission.MEMBERS_WRITE,
    Permission.AUDIT_READ,
    Permission.WORKERS_WRITE,
)
"""What a token can be made for, in the order people are shown it: what some door of the API asks a token for,
and nothing that would open none."""

_OWN = frozenset({Permission.OWN_SESSIONS_WRITE, Permission.OWN_TOKENS_WRITE})
_WORK = _OWN | {
    Permission.PROJECTS_READ,
    Permission.BUILDS_READ,
    Permission.BUILDS_START,
    Permission.BUILDS_CANCEL,
    Permission.LOGS_READ,
    Permission.MEMBERS_READ,
}
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _WORK
    | {
        Permission.PROJECTS_WRITE,
        Permission.SECRETS_WRITE,
        Permission.MEMBERS_WRITE,
        Permission.GRANTS_WRITE,
        Permission.AUDIT_READ,
        Permission.BILLING_WRITE,
    },
    Role.MEMBER: _WORK,
    Role.BILLING: _OWN | {Permission.BILLING_WRITE},
    Role.CREW: _OWN | {Permission.STATUS_READ},
    Role.OPERATOR: _OWN | {Permission.STATUS_READ, Permission.WORKERS_WRITE},
    Role.GUEST: frozenset(),
}
"""What is not here is not allowed. No role outside an account has anything of an account's."""


@dataclass(frozen=True)
class Membership:
    """account: an id, `` for a role of no account."""

    account: str
    role: Role


@dataclass(frozen=True)
class Person:
    """id: random, 128 bits, hexadecimal. email: spelled as by `address_of`, unique. created_at: seconds."""

    id: str
    email: str
    name: str
    memberships: tuple[Membership, ...]
    created_at: float
    disabled: bool = False


@dataclass(frozen=True)
class WebSession:
    """id: for lists, opens nothing. digest: SHA-256 of what the cookie holds. seen_at: about when it was
    last used. agent and address: as the person is shown them, to tell one browser from another."""

    id: str
    digest: bytes
    person: str
    created_at: float
    seen_at: float
    agent: str = ""
    address: str = ""


@dataclass(frozen=True)
class ApiToken:
    """A token a person made. account: the only one it can be used in. expires_at: tokens always end."""

    id: str
    digest: bytes
    person: str
    account: str
    name: str
    permissions: frozenset[Permission]
    created_at: float
    expires_at: float
    used_at: float | None = None


@dataclass(frozen=True)
class SignedIn:
    """Who a live session belongs to."""

    person: Person
    session: WebSession


@dataclass(frozen=True)
class TokenUse:
    """A live token and the person it acts for."""

    person: Person
    token: ApiToken


class Purpose(StrEnum):
    """What something that works once is for; it works for nothing else."""

    SETUP = "setup"  # makes the first owner
    JOIN = "join"  # gives a worker its certificate


@dataclass(frozen=True)
class OneTime:
    """A link or a token that works once. subject: whom or what it is for, such as a worker's name."""

    digest: bytes
    purpose: Purpose
    subject: str
    expires_at: float


def may(person: Person, account: str, permission: Permission) -> Decision:
    """Whether a person's own role in an account (`` for the installation) allows something."""
    if person.disabled:
        return Denied("This sign-in has been disabled.")
    roles = [one.role for one in person.memberships if one.account == account]
    if any(permission in ROLE_PERMISSIONS[role] for role in roles):
        return Allowed()
    return Denied(f"Your role does not allow {permission}.")


def token_may(token: ApiToken, person: Person, account: str, permission: Permission) -> Decision:
    """Whether a token allows something: it and the person's own role must, so that it ends with the role.
    What is the installation's needs no token of its own: the account is `` then, whichever the token's."""
    if token.person != person.id or permission.account_of(token.account) != account:
        return Denied("This token is for another account.")
    if permission not in token.permissions:
        return Denied(f"This token was not made for {permission}.")
    return may(person, account, permission)


class AccessRecords(Protocol):
    """Where people, sessions and tokens are kept. Each call is one transaction."""

    async def add_first_person(self, person: Person, password_hash: str) -> bool:
        """Keep the installation's first person; False, and nothing is kept, if there is anybody already."""
        ...

    async def add_person(self, person: Person, password_hash: str) -> bool:
        """Keep a new person; False, and nothing is kept, if the e-mail address or the id is taken."""
        ...

    async def anybody(self) -> bool:
        """Whether there is a person at all."""
        ...

    async def person(self, person_id: str) -> Person | None:
        """The person of that id."""
        ...

    async def sign_in_of(self, email: str) -> tuple[Person, str] | None:
        """The person of that address and the hash of their password."""
        ...

    async def set_password_hash(self, person_id: str, password_hash: str) -> None:
        """Replace the hash of a person's password; nothing happens if there is no such person."""
        ...

    async def add_session(self, session: WebSession) -> None:
        """Keep a new session."""
        ...

    async def session(self, digest: bytes) -> WebSession | None:
        """The session of that digest, expired or not."""
        ...

    async def sessions_of(self, person_id: str) -> list[WebSession]:
        """A person's sessions, newest first."""
        ...

    async def see_session(self, session_id: str, seen_at: float) -> None:
        """Note that a session was used; never turns its time back."""
        ...

    async def remove_session(self, person_id: str, session_id: str) -> bool:
        """End a person's session; False if that person has none of that id."""
        ...

    async def remove_sessions(self, person_id: str, *, but: str | None = None) -> int:
        """End all of a person's sessions, except that of the id `but`; how many."""
        ...

    async def add_token(self, token: ApiToken) -> None:
        """Keep a new token."""
        ...

    async def token(self, digest: bytes) -> ApiToken | None:
        """The token of that digest, expired or not."""
        ...

    async def tokens_of(self, person_id: str) -> list[ApiToken]:
        """A person's tokens, newest first."""
        ...

    async def use_token(self, token_id: str, used_at: float) -> None:
        """Note that a token was used; never turns its time back."""
        ...

    async def remove_token(self, person_id: str, token_id: str) -> bool:
        """End a person's token; False if that person has none of that id."""
        ...

    async def add_one_time(self, one: OneTime) -> None:
        """Keep something that works once, in the place of all others of the same purpose and subject."""
        ...

    async def take_one_time(self, digest: bytes, purpose: Purpose, now: float) -> OneTime | None:
        """Take it: to one caller, once, in time, and for this purpose only; None for anything else."""
        ...
