"""People, sessions and tokens in the database (`core.access.AccessRecords`). Each call is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, exists, or_, select, text, update
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sealock.core.access import ApiToken, Membership, OneTime, Permission, Person, Purpose, WebSession
from sealock.core.grant import Role
from sealock.store.database.access_tables import memberships, one_times, people, sessions, staff, tokens
from sealock.store.database.engine import Database
from sealock.store.database.metadata import milliseconds, seconds


class DatabaseAccess:
    """An `AccessRecords`. A session or token needs its person, a membership and a token their account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_first_person(self, person: Person, password_hash: str) -> bool:
        """Keep the installation's first person; False, and nothing is kept, if there is anybody already."""
        async with self._database.write() as connection:
            if not self._database.is_sqlite:  # there, a writer is alone already
                await connection.execute(text("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE"))
            return not await _anybody(connection) and await _add(connection, person, password_hash)

    async def add_person(self, person: Person, password_hash: str) -> bool:
        """Keep a new person; False, and nothing is kept, if the e-mail address or the id is taken."""
        async with self._database.write() as connection:
            return await _add(connection, person, password_hash)

    async def anybody(self) -> bool:
        """Whether there is a person at all."""
        async with self._database.read() as connection:
            return await _anybody(connection)

    async def person(self, person_id: str) -> Person | None:
        """The person of that id."""
        found = await self._find(people.c.id == person_id)
        return found[0] if found else None

    async def sign_in_of(self, email: str) -> tuple[Person, str] | None:
        """The person of that address and the hash of their password."""
        return await self._find(people.c.email == email)

    async def set_password_hash(self, person_id: str, password_hash: str) -> None:
        """Replace the hash of a person's password; nothing happens if there is no such person."""
        changed = update(people).where(people.c.id == person_id)
        await self._change(changed.values(password_hash=password_hash))

    async def add_session(self, session: WebSession) -> None:
        """Keep a new session."""
        values = {**vars(session), "created_at": milliseconds(session.created_at)}
        values["seen_at"] = milliseconds(session.seen_at)
        await self._change(insert_into(sessions).values(values))

    async def session(self, digest: bytes) -> WebSession | None:
        """The session of that digest, expired or not."""
        rows = await self._rows(select(sessions).where(sessions.c.digest == digest))
        return _session(rows[0]) if rows else None

    async def sessions_of(self, person_id: str) -> list[WebSession]:
        """A person's sessions, newest first."""
        mine = select(sessions).where(sessions.c.person == person_id)
        return [_session(row) for row in await self._rows(mine.order_by(sessions.c.created_at.desc()))]

    async def see_session(self, session_id: str, seen_at: float) -> None:
        """Note that a session was used; never turns its time back."""
        at = milliseconds(seen_at)
        earlier = (sessions.c.id == session_id, sessions.c.seen_at < at)
        await self._change(update(sessions).where(*earlier).values(seen_at=at))

    async def remove_session(self, person_id: str, session_id: str) -> bool:
        """End a person's session; False if that person has none of that id."""
        one = (sessions.c.person == person_id, sessions.c.id == session_id)
        return bool(await self._change(delete(sessions).where(*one)))

    async def remove_sessions(self, person_id: str, *, but: str | None = None) -> int:
        """End all of a person's sessions, except that of the id `but`; how many."""
        ended = delete(sessions).where(sessions.c.person == person_id)
        return await self._change(ended if but is None else ended.where(sessions.c.id != but))

    async def add_token(self, token: ApiToken) -> None:
        """Keep a new token."""
        values = {
            **vars(token),
            "permissions": sorted(token.permissions),
            "created_at": milliseconds(token.created_at),
            "expires_at": milliseconds(token.expires_at),
            "used_at": None if token.used_at is None else milliseconds(token.used_at),
        }
        await self._change(insert_into(tokens).values(values))

    async def token(self, digest: bytes) -> ApiToken | None:
        """The token of that digest, expired or not."""
        rows = await self._rows(select(tokens).where(tokens.c.digest == digest))
        return _token(rows[0]) if rows else None

    async def tokens_of(self, person_id: str) -> list[ApiToken]:
        """A person's tokens, newest first."""
        mine = select(tokens).where(tokens.c.person == person_id)
        return [_token(row) for row in await self._rows(mine.order_by(tokens.c.created_at.desc()))]

    async def use_token(self, token_id: str, used_at: float) -> None:
        """Note that a token was used; never turns its time back."""
        at = milliseconds(used_at)
        earlier = or_(tokens.c.used_at.is_(None), tokens.c.used_at < at)
        await self._change(update(tokens).where(tokens.c.id == token_id, earlier).values(used_at=at))

    async def remove_token(self, person_id: str, token_id: str) -> bool:
        """End a person's token; False if that person has none of that id."""
        one = (tokens.c.person == person_id, tokens.c.id == token_id)
        return bool(await self._change(delete(tokens).where(*one)))

    async def add_one_time(self, one: OneTime) -> None:
        """Keep something that works once, in the place of all others of the same purpose and subject."""
        new = {"digest": one.digest, "expires_at": milliseconds(one.expires_at)}
        values = {**new, "purpose": one.purpose, "subject": one.subject}
        of_both = sqlite.insert if self._database.is_sqlite else postgresql.insert
        replaced = of_both(one_times).values(values)
        await self._change(replaced.on_conflict_do_update(index_elements=["purpose", "subject"], set_=new))

    async def take_one_time(self, digest: bytes, purpose: Purpose, now: float) -> OneTime | None:
        """Take it: to one caller, once, in time, and for this purpose only; None for anything else."""
        fits = (
            one_times.c.digest == digest,
            one_times.c.purpose == purpose,
            one_times.c.expires_at > milliseconds(now),
        )
        async with self._database.write() as connection:
            taken = await connection.execute(delete(one_times).where(*fits).returning(one_times))
            row = taken.one_or_none()
        if row is None:
            return None
        return OneTime(row.digest, Purpose(row.purpose), row.subject, seconds(row.expires_at))

    async def _find(self, condition: Any) -> tuple[Person, str] | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(people).where(condition))).one_or_none()
            if row is None:
                return None
            in_accounts = select(memberships).where(memberships.c.person == row.id)
            of_none = select(staff).where(staff.c.person == row.id)
            roles = [(one.account, one.role) for one in await connection.execute(in_accounts)]
            roles += [("", one.role) for one in await connection.execute(of_none)]
        held = tuple(Membership(account, Role(role)) for account, role in sorted(roles))
        person = Person(row.id, row.email, row.name, held, seconds(row.created_at), row.disabled)
        return person, row.password_hash or ""

    async def _rows(self, statement: Any) -> list[Row[Any]]:
        async with self._database.read() as connection:
            return list(await connection.execute(statement))

    async def _change(self, statement: Any) -> int:
        """Run it; how many rows it was about."""
        async with self._database.write() as connection:
            return int((await connection.execute(statement)).rowcount)


async def _anybody(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(select(exists().select_from(people)))).scalar())


async def _add(connection: AsyncConnection, person: Person, password_hash: str) -> bool:
    values = {**vars(person), "password_hash": password_hash, "created_at": milliseconds(person.created_at)}
    del values["memberships"]
    try:
        async with connection.begin_nested():
            await connection.execute(insert_into(people).values(values))
    except IntegrityError:
        return False
    for one in person.memberships:
        row = {"person": person.id, "role": one.role}
        if one.account:
            await connection.execute(insert_into(memberships).values(**row, account=one.account))
        else:
            await connection.execute(insert_into(staff).values(row))
    return True


def _session(row: Row[Any]) -> WebSession:
    return WebSession(
        row.id, row.digest, row.person, seconds(row.created_at), seconds(row.seen_at), row.agent, row.address
    )


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        digest=row.digest,
        person=row.person,
        account=row.account,
        name=row.name,
        permissions=frozenset(Permission(each) for each in row.permissions),
        created_at=seconds(row.created_at),
        expires_at=seconds(row.expires_at),
        used_at=None if row.used_at is None else seconds(row.used_at),
    )
