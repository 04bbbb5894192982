"""Tokens of the API: `slk_`, a random value, and seven characters by which anybody can see a slip.

The prefix lets scanners find a token that got into a repository; the checksum lets us refuse what was never
one without asking the records. A token can do at most what its person may, and always ends.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterable

from sealock.access.one_time import digest_of, new_id, new_value
from sealock.core.access import AccessRecords, ApiToken, Permission, Person, TokenUse, may
from sealock.core.errors import UsageError
from sealock.core.secret import Secret

PREFIX = "slk_"
LONGEST_LIFE = 366
"""Days. A token that nobody needs to renew is one that nobody remembers."""

_FORM = re.compile(r"slk_([A-Za-z0-9_-]{43})([0-9a-z]{7})")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Tokens:
    """clock: seconds since 1970."""

    def __init__(self, records: AccessRecords, clock: Callable[[], float] = time.time) -> None:
        self._records, self._clock = records, clock

    async def make(
        self, person: Person, account: str, name: str, permissions: Iterable[Permission], days: int
    ) -> tuple[ApiToken, Secret]:
        """A new token, and its text, which is shown this once. days: until it ends.

        UsageError for no permission, one the person does not have, or a life that is none or too long.
        """
        wanted = frozenset(permissions)
        _check(person, account, name, wanted, days)
        text, now = new_text(), self._clock()
        until = now + days * 24 * 3600.0
        token = ApiToken(new_id(), digest_of(text), person.id, account, name, wanted, now, until)
        await self._records.add_token(token)
        return token, Secret(text.encode())

    async def read(self, text: str) -> TokenUse | None:
        """Whom a token acts for; None if it is none, or has ended."""
        if not is_whole(text):
            return None
        token = await self._records.token(digest_of(text))
        now = self._clock()
        if token is None or not token.created_at - 60 <= now < token.expires_at:
            return None
        person = await self._records.person(token.person)
        if person is None or person.disabled:
            return None
        if token.used_at is None or now - token.used_at >= 60:
            await self._records.use_token(token.id, now)
        return TokenUse(person, token)

    async def all_of(self, person: Person) -> list[ApiToken]:
        """A person's live tokens, newest first."""
        now = self._clock()
        return [one for one in await self._records.tokens_of(person.id) if now < one.expires_at]

    async def revoke(self, person: Person, token_id: str) -> bool:
        """End one of a person's own tokens; False if they have none of that id."""
        return await self._records.remove_token(person.id, token_id)


def new_text() -> str:
    """A token nobody has yet."""
    value = new_value()
    return PREFIX + value + _checksum(value)


def is_whole(text: str) -> bool:
    """Whether a text has a token's form and its checksum is right."""
    found = _FORM.fullmatch(text)
    return found is not None and _checksum(found[1]) == found[2]


def _checksum(value: str) -> str:
    """CRC-32 with 36 digits, 7 places: a guard against slips, not against anybody."""
    number, digits = zlib.crc32(value.encode()), ""
    for _ in range(7):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _check(person: Person, account: str, name: str, permissions: frozenset[Permission], days: int) -> None:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise UsageError("A token needs a name of at most 100 characters", resolution="Say what it is for.")
    if not permissions:
        raise UsageError("A token without a permission opens nothing", resolution="Choose what it may do.")
    if not 0 < days <= LONGEST_LIFE:
        raise UsageError("A token lives for up to 366 days", resolution="Choose when it shall end.")
    over = sorted(str(one) for one in permissions if not may(person, one.account_of(account), one))
    if over:
        raise UsageError(
            "A token cannot do more than you", details=", ".join(over), resolution="Leave these out."
        )
