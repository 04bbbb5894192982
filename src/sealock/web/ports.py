"""What the website is given. It calls these and nothing else; `access` and the database stand behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sealock.builds.hook_events import CheckRef, Push
from sealock.core.access import Person, SignedIn, TokenUse, WebSession
from sealock.core.decision import Denied
from sealock.core.secret import Secret
from sealock.web.rates import Rates
from sealock.web.streams import Streams


class SignInPort(Protocol):
    """`access.sign_in.SignIn`."""

    async def check(self, email: str, password: Secret) -> Person | Denied:
        """The person, if the password is theirs."""
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


class TokensPort(Protocol):
    """`access.tokens.Tokens`."""

    async def read(self, text: str) -> TokenUse | None:
        """Whom a token acts for."""
        ...


@dataclass(frozen=True)
class HookTarget:
    """A project that pushes are told of. secrets: more than one while they are changed. repository: what a
    hook has to call the project's repository."""

    project: str
    secrets: tuple[Secret, ...]
    repository: str


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
