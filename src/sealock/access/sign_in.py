"""Signing in with an e-mail address and a password, and setting the installation up.

Whether an address is known is told to nobody: the answer to a wrong password and to an unknown address is
the same, and so is the work.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from sealock.access.one_time import digest_of, new_id, new_value
from sealock.access.passwords import Passwords, check_new_password
from sealock.core.access import AccessRecords, Membership, OneTime, Person, Purpose
from sealock.core.decision import Denied
from sealock.core.errors import UsageError
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.secret import Secret

SETUP_LIFE = 24 * 3600.0
"""Seconds the link that makes the first owner works."""

_EMAIL = re.compile(r"[^\s@\"<>,;:\\]{1,64}@[^\s@\"<>,;:\\/]{1,253}")


def address_of(text: str) -> str:
    """An e-mail address in the spelling it is kept and looked up in. UsageError if it is none.

    Whether mail arrives there is all that really tells, so only what cannot be one is refused.
    """
    found = text.strip()
    if not _EMAIL.fullmatch(found) or not found.isprintable() or len(found) > 254:
        raise UsageError("That is no e-mail address", resolution="Write it as name@example.com.")
    return found.lower()


@dataclass(frozen=True)
class SignIn:
    """clock: seconds since 1970."""

    records: AccessRecords
    passwords: Passwords
    clock: Callable[[], float] = time.time

    async def check(self, email: str, password: Secret) -> Person | Denied:
        """The person, if the password is theirs. TemporaryError if too many are signing in."""
        try:
            found = await self.records.sign_in_of(address_of(email))
        except UsageError:
            found = None
        person, encoded = found if found else (None, None)
        if not await self.passwords.matches(encoded, password) or person is None or encoded is None:
            return Denied("The e-mail address or the password is wrong.")
        if person.disabled:
            return Denied("This sign-in has been disabled.")
        if self.passwords.outdated(encoded):
            await self.records.set_password_hash(person.id, await self.passwords.hash(password))
        return person

    async def change_password(self, person: Person, old: Secret, new: Secret) -> bool:
        """Replace a person's password; False if the old one is wrong. UsageError if the new one will not do.
        The caller ends the person's other sessions."""
        check_new_password(new)
        found = await self.records.sign_in_of(person.email)
        if not await self.passwords.matches(found[1] if found else None, old):
            return False
        await self.records.set_password_hash(person.id, await self.passwords.hash(new))
        return True


@dataclass(frozen=True)
class Setup:
    """Makes the first owner, by a link that works once. clock: seconds since 1970."""

    records: AccessRecords
    passwords: Passwords
    clock: Callable[[], float] = time.time

    async def begin(self) -> Secret | None:
        """The value for a new link, in the place of any before; None once there is anybody."""
        if await self.records.anybody():
            return None
        value = new_value()
        until = self.clock() + SETUP_LIFE
        await self.records.add_one_time(OneTime(digest_of(value), Purpose.SETUP, "", until))
        return Secret(value.encode())

    async def finish(self, value: str, email: str, name: str, password: Secret) -> Person | Denied:
        """The first owner, who runs the installation too. UsageError, and the link still works, for what
        cannot be an address, a name or a password."""
        if not name.strip() or len(name) > 200 or not name.isprintable():
            raise UsageError("A name of at most 200 characters is needed")
        memberships = Membership(LOCAL_ACCOUNT, Role.OWNER), Membership("", Role.OPERATOR)
        person = Person(new_id(), address_of(email), name.strip(), memberships, self.clock())
        check_new_password(password)
        # Taken before the hash is made: a stranger without a link costs us nothing.
        if await self.records.take_one_time(digest_of(value), Purpose.SETUP, self.clock()) is None:
            return Denied("This link does not work, or no longer.")
        if not await self.records.add_first_person(person, await self.passwords.hash(password)):
            return Denied("This installation has been set up already.")
        return person
