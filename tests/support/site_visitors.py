"""Who visits a website of the tests: browsers that are signed in, programs with tokens, and strangers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from starlette.types import ASGIApp

from sealock.access.passwords import Passwords
from sealock.access.sessions import Sessions
from sealock.access.tokens import Tokens
from sealock.core.access import AccessRecords, Membership, Permission, Person, may
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.secret import Secret
from sealock.web.cookies import NAME
from sealock.web.origin import Origin
from tests.support.website import PASSWORD


class Visitors:
    """Of a website that has these."""

    app: ASGIApp
    origin: Origin
    records: AccessRecords
    passwords: Passwords
    sessions: Sessions
    tokens: Tokens
    owner: Person

    def client(self, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
        """Nobody in particular, from that address."""
        transport = httpx2.ASGITransport(app=self.app, client=(address, 4711))
        return httpx2.AsyncClient(transport=transport, base_url=str(self.origin), headers=headers)

    @asynccontextmanager
    async def browser(
        self, person: Person | None = None, **headers: str
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A browser in which somebody is signed in: the owner, if nobody else is given."""
        value = await self.sessions.begin(person or self.owner)
        async with self.client(**{"Sec-Fetch-Site": "same-origin"} | headers) as browser:
            browser.cookies.set(NAME, value.reveal().decode())
            yield browser

    @asynccontextmanager
    async def program(
        self, *permissions: Permission, person: Person | None = None, account: str = LOCAL_ACCOUNT
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A program with a token: for everything its person may in that account, if nothing is named."""
        text = await self.token(*permissions, person=person, account=account)
        async with self.client(Authorization=f"Bearer {text}") as made:
            yield made

    async def token(
        self, *permissions: Permission, person: Person | None = None, account: str = LOCAL_ACCOUNT
    ) -> str:
        """The text of a new token."""
        whose = person or self.owner
        wanted = frozenset(permissions) or {
            one for one in Permission if may(whose, one.account_of(account), one)
        }
        _, text = await self.tokens.make(whose, account, "of a test", wanted, 30)
        return text.reveal().decode()

    async def add_person(self, email: str, *memberships: Membership) -> Person:
        """Somebody with `PASSWORD`."""
        person = Person(email.encode().hex()[:32].ljust(32, "0"), email, email, memberships, time.time())
        assert await self.records.add_person(person, await self.passwords.hash(Secret(PASSWORD.encode())))
        return person
