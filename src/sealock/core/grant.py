"""People who ask the keeper: members of an account, signed in, and crew within a grant.

A session is a statement of whoever signs people in; a grant is one of the account itself, signed with a
key the keeper knows to be that account's. Both end by time and by the keeper's epoch, and neither can be
used with another key than the one it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sealock.core.sealed import Kind

LONGEST_SESSION = 12 * 3600.0
LONGEST_GRANT = 7 * 24 * 3600.0
"""Seconds. A statement that would last longer is not used at all: the clock it was made by is wrong, or
somebody wants it to last for ever."""


class Role(StrEnum):
    """What a person is. The first three belong to an account, the others to none."""

    OWNER = "owner"
    MEMBER = "member"
    BILLING = "billing"  # pays; has no way to content
    CREW = "crew"  # the operator's support staff
    OPERATOR = "operator"  # runs the installation; has no way to content
    GUEST = "guest"  # anybody else


CONTENT_ROLES = frozenset({Role.OWNER, Role.MEMBER})
"""Roles that may read their own account's content."""


@dataclass(frozen=True)
class Session:
    """Who is signed in. person: an id. account: whose role it is, `` for a role of no account.
    second_factor: it was shown for this session. key: the person's one-time public key, 32 bytes."""

    id: str
    person: str
    account: str
    role: Role
    second_factor: bool
    key: bytes
    epoch: int
    expires_at: float


@dataclass(frozen=True)
class Grant:
    """What an account lets crew read. projects: ids. kinds: of sealed values. names: of builds whose
    content it is, none named means of all. people: ids of crew members. Times: seconds since 1970."""

    id: str
    account: str
    projects: tuple[str, ...]
    kinds: tuple[Kind, ...]
    names: tuple[str, ...]
    people: tuple[str, ...]
    epoch: int
    begins_at: float
    expires_at: float
    reason: str
