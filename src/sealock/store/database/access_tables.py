"""People and what shows that it is them (`core.access`). Of a cookie, token or link only the SHA-256
is here."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint

from sealock.core.access import Purpose
from sealock.core.grant import Role
from sealock.store.database.metadata import (
    digest,
    document,
    flag,
    identity,
    moment,
    one_of,
    reference,
    table,
    text,
    word,
)

people = table(
    "people",
    identity(primary_key=True),
    text("email", 320),
    text("name", 200),
    text("password_hash", 512, nullable=True),
    flag("disabled"),
    moment("created_at"),
    UniqueConstraint("email"),
)

memberships = table(
    "memberships",
    reference("person", "people.id", primary_key=True),
    reference("account", "accounts.id", primary_key=True),
    word("role", primary_key=True),
    one_of("role", Role.OWNER, Role.MEMBER, Role.BILLING),
    Index("ix_memberships_account", "account"),
)

# Roles of no account; so no row can give a role of the installation within an account, or the reverse.
staff = table(
    "staff",
    reference("person", "people.id", primary_key=True),
    word("role", primary_key=True),
    one_of("role", Role.CREW, Role.OPERATOR),
)

sessions = table(
    "sessions",
    identity(primary_key=True),
    digest("digest"),
    reference("person", "people.id"),
    moment("created_at"),
    moment("seen_at"),
    text("agent", 512),
    text("address", 64),
    UniqueConstraint("digest"),
    Index("ix_sessions_person", "person"),
)

tokens = table(
    "tokens",
    identity(primary_key=True),
    digest("digest"),
    reference("person", "people.id"),
    reference("account", "accounts.id"),
    text("name", 200),
    document("permissions"),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", nullable=True),
    UniqueConstraint("digest"),
    Index("ix_tokens_person", "person"),
    Index("ix_tokens_account", "account"),
)

one_times = table(
    "one_times",
    digest("digest", primary_key=True),
    word("purpose"),
    text("subject", 200),
    moment("expires_at"),
    UniqueConstraint("purpose", "subject"),
    one_of("purpose", *Purpose),
)
