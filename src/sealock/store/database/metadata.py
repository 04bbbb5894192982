"""What every table of the database shares: names of constraints, kinds of columns, and their limits.

SQLite enforces neither the length of a text nor the values of an enum by itself, and PostgreSQL no
length of bytes. So each limit is a check of the table, with a name that migrations can speak of. Times
are whole milliseconds since 1970 (UTC), which both databases compare and index alike.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

COUNTER = BigInteger().with_variant(Integer, "sqlite")
"""Counts up by itself as a primary key; SQLite does that for its own INTEGER only."""

DIGEST_BYTES = 32
"""SHA-256."""

LIMIT = "limit"
"""Where a column says how long its values may be, as it stands in the check."""


class Words(TypeDecorator[str]):
    """A text of at most `length` characters. ValueError for what PostgreSQL could not keep and SQLite would
    measure wrongly: the character NUL, and halves of surrogate pairs."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Refuse it before it is sent."""
        if value is not None:
            if "\0" in value:
                raise ValueError("a text for the database holds the character NUL")
            value.encode()
        return value


def table(name: str, *parts: SchemaItem) -> Table:
    """A table of ours, with a check for the longest value of each text and bytes column in it."""
    limits = [
        CheckConstraint(f"length({_quoted(part.name)}) {part.info[LIMIT]}", name=f"{part.name}_length")
        for part in parts
        if isinstance(part, Column) and LIMIT in part.info
    ]
    return Table(name, metadata, *parts, *limits)


def text(name: str, longest: int, *parts: SchemaItem, **options: Any) -> Column[str]:
    """A text of at most `longest` characters; not null unless said."""
    limit = {LIMIT: f"<= {longest}"}
    return Column(name, Words(longest), *parts, **{"nullable": False, "info": limit, **options})


def identity(name: str = "id", *parts: SchemaItem, **options: Any) -> Column[str]:
    """A random id, or an owner's (`core.sealed.OWNER_ID`): at most 64 characters."""
    return text(name, 64, *parts, **options)


def reference(name: str, to: str, *, deleted: str = "CASCADE", **options: Any) -> Column[str]:
    """The id of a row elsewhere, such as `accounts.id`. deleted: what follows when that row is deleted."""
    return identity(name, ForeignKey(to, ondelete=deleted), **options)


def bytes_column(name: str, longest: int, **options: Any) -> Column[bytes]:
    """At most `longest` bytes; not null unless said."""
    limit = {LIMIT: f"<= {longest}"}
    return Column(name, LargeBinary(longest), **{"nullable": False, "info": limit, **options})


def digest(name: str, **options: Any) -> Column[bytes]:
    """A SHA-256, all of it."""
    return bytes_column(name, DIGEST_BYTES, **{"info": {LIMIT: f"= {DIGEST_BYTES}"}, **options})


def flag(name: str) -> Column[bool]:
    """Yes or no; no unless said."""
    return Column(name, Boolean, nullable=False, default=False)


def moment(name: str, **options: Any) -> Column[int]:
    """A time: milliseconds since 1970; not null unless said."""
    return Column(name, BigInteger, **{"nullable": False, **options})


def document(name: str, **options: Any) -> Column[Any]:
    """JSON; not null unless said."""
    return Column(name, JSON(none_as_null=True), **{"nullable": False, **options})


def word(name: str, **options: Any) -> Column[str]:
    """One word of an enum; the table needs `one_of` for it, which limits its length too."""
    return text(name, 32, **{"info": {}, **options})


def one_of(column: str, *words: StrEnum | str) -> CheckConstraint:
    """The column holds one of these words; null passes where the column may be null."""
    listed = ", ".join(f"'{each}'" for each in words)
    return CheckConstraint(f"{_quoted(column)} IN ({listed})", name=f"{column}_known")


def at_least(column: str, least: int) -> CheckConstraint:
    """The column's number is `least` or more."""
    return CheckConstraint(f"{_quoted(column)} >= {least}", name=f"{column}_least")


def fitted(words: str, longest: int) -> str:
    """A text as the database can keep it, at most `longest` characters; a stranger may have written it."""
    cleaned = words.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cleaned.encode(errors="replace").decode()[:longest]


def storable(*words: str) -> bool:
    """Whether each could be a text of the database; what could not is found nowhere in it."""
    return all(fitted(each, len(each)) == each for each in words)


def _quoted(name: str) -> str:
    """Some names of ours (`commit`, `trigger`) are words of SQL."""
    return f'"{name}"'


def milliseconds(seconds: float) -> int:
    """A time as the tables have it. seconds: since 1970, as `core` has it."""
    return round(seconds * 1000)


def seconds(milliseconds: int) -> float:
    """A time as `core` has it."""
    return milliseconds / 1000
