"""Sessions of browsers: made at sign-in, ended by time, by sign-out, or by the person from another browser.

A session is a random value in a cookie and a record that knows its digest. It is never taken over: signing
in makes a new one and ends what the browser came with, so a value somebody planted is worth nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sealock.access.one_time import digest_of, new_id, new_value
from sealock.core.access import AccessRecords, Person, SignedIn, WebSession
from sealock.core.secret import Secret

IDLE = 7 * 24 * 3600.0
"""Seconds without use after which a session is over."""
ABSOLUTE = 30 * 24 * 3600.0
"""Seconds after which it is over however much it is used."""
SEEN_EVERY = 60.0
"""Seconds between two notes that it was used: a record is not written for each request."""


class Sessions:
    """clock: seconds since 1970."""

    def __init__(self, records: AccessRecords, clock: Callable[[], float] = time.time) -> None:
        self._records, self._clock = records, clock

    async def begin(
        self, person: Person, *, before: str | None = None, agent: str = "", address: str = ""
    ) -> Secret:
        """A new session, as the value for its cookie. before: what the browser's cookie held, ended here."""
        if before is not None:
            await self.end(before)
        value, now = new_value(), self._clock()
        session = WebSession(new_id(), digest_of(value), person.id, now, now, agent[:200], address)
        await self._records.add_session(session)
        return Secret(value.encode())

    async def read(self, value: str) -> SignedIn | None:
        """Who that cookie's value belongs to; None if to nobody any more."""
        session = await self._records.session(digest_of(value))
        if session is None:
            return None
        person = await self._records.person(session.person)
        now = self._clock()
        if person is None or person.disabled or is_over(session, now):
            await self._records.remove_session(session.person, session.id)
            return None
        if now - session.seen_at >= SEEN_EVERY:
            await self._records.see_session(session.id, now)
        return SignedIn(person, session)

    async def end(self, value: str) -> None:
        """Sign out; nothing happens if there is no such session."""
        session = await self._records.session(digest_of(value))
        if session is not None:
            await self._records.remove_session(session.person, session.id)

    async def all_of(self, person: Person) -> list[WebSession]:
        """A person's live sessions, newest first."""
        now = self._clock()
        return [one for one in await self._records.sessions_of(person.id) if not is_over(one, now)]

    async def revoke(self, person: Person, session_id: str) -> bool:
        """End one of a person's own sessions; False if they have none of that id."""
        return await self._records.remove_session(person.id, session_id)

    async def revoke_others(self, person: Person, session: WebSession) -> int:
        """End all of a person's sessions but this one; how many. To be done with each new password."""
        return await self._records.remove_sessions(person.id, but=session.id)


def is_over(session: WebSession, now: float) -> bool:
    """Whether a session has ended by time; one from the future has too, its clock was another."""
    return not (now - session.seen_at < IDLE and -SEEN_EVERY <= now - session.created_at < ABSOLUTE)
