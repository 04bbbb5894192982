"""People, sessions and tokens in memory: for tests, and for trying things out. It forgets them at the end.

No call waits for anything in its middle, so each is one transaction, as the port asks.
"""

from __future__ import annotations

from dataclasses import replace

from sealock.core.access import ApiToken, OneTime, Person, Purpose, WebSession


class MemoryAccess:
    """An `AccessRecords`."""

    def __init__(self) -> None:
        self._people: dict[str, tuple[Person, str]] = {}
        self._sessions: dict[str, WebSession] = {}
        self._tokens: dict[str, ApiToken] = {}
        self._one_times: list[OneTime] = []

    async def add_first_person(self, person: Person, password_hash: str) -> bool:
        return not self._people and await self.add_person(person, password_hash)

    async def add_person(self, person: Person, password_hash: str) -> bool:
        taken = any(one.email == person.email or one.id == person.id for one, _ in self._people.values())
        if not taken:
            self._people[person.id] = person, password_hash
        return not taken

    async def anybody(self) -> bool:
        return bool(self._people)

    async def person(self, person_id: str) -> Person | None:
        found = self._people.get(person_id)
        return found[0] if found else None

    async def sign_in_of(self, email: str) -> tuple[Person, str] | None:
        return next((found for found in self._people.values() if found[0].email == email), None)

    async def set_password_hash(self, person_id: str, password_hash: str) -> None:
        if found := self._people.get(person_id):
            self._people[person_id] = found[0], password_hash

    async def add_session(self, session: WebSession) -> None:
        self._sessions[session.id] = session

    async def session(self, digest: bytes) -> WebSession | None:
        return next((one for one in self._sessions.values() if one.digest == digest), None)

    async def sessions_of(self, person_id: str) -> list[WebSession]:
        mine = [one for one in self._sessions.values() if one.person == person_id]
        return sorted(mine, key=lambda one: one.created_at, reverse=True)

    async def see_session(self, session_id: str, seen_at: float) -> None:
        if (one := self._sessions.get(session_id)) and one.seen_at < seen_at:
            self._sessions[session_id] = replace(one, seen_at=seen_at)

    async def remove_session(self, person_id: str, session_id: str) -> bool:
        one = self._sessions.get(session_id)
        return bool(one and one.person == person_id and self._sessions.pop(session_id))

    async def remove_sessions(self, person_id: str, *, but: str | None = None) -> int:
        ended = [one.id for one in self._sessions.values() if one.person == person_id and one.id != but]
        for session_id in ended:
            del self._sessions[session_id]
        return len(ended)

    async def add_token(self, token: ApiToken) -> None:
        self._tokens[token.id] = token

    async def token(self, digest: bytes) -> ApiToken | None:
        return next((one for one in self._tokens.values() if one.digest == digest), None)

    async def tokens_of(self, person_id: str) -> list[ApiToken]:
        mine = [one for one in self._tokens.values() if one.person == person_id]
        return sorted(mine, key=lambda one: one.created_at, reverse=True)

    async def use_token(self, token_id: str, used_at: float) -> None:
        if (one := self._tokens.get(token_id)) and (one.used_at or 0.0) < used_at:
            self._tokens[token_id] = replace(one, used_at=used_at)

    async def remove_token(self, person_id: str, token_id: str) -> bool:
        one = self._tokens.get(token_id)
        return bool(one and one.person == person_id and self._tokens.pop(token_id))

    async def add_one_time(self, one: OneTime) -> None:
        kept = [old for old in self._one_times if (old.purpose, old.subject) != (one.purpose, one.subject)]
        self._one_times = [*kept, one]

    async def take_one_time(self, digest: bytes, purpose: Purpose, now: float) -> OneTime | None:
        for one in self._one_times:
            if one.digest == digest and one.purpose == purpose and now < one.expires_at:
                self._one_times.remove(one)
                return one
        return None
