"""How tables are compared with the models, and how a new migration is written down."""

from __future__ import annotations

from typing import Any, Literal

from alembic.autogenerate import compare_metadata
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, Connection
from sqlalchemy.sql.type_api import TypeEngine

from sealock.store.database.metadata import COUNTER, Words
from sealock.store.database.schema import metadata


def _render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Types of ours as those they stand for, so that a migration does not change with them."""
    if kind == "type" and isinstance(item, Words):
        return f"sa.String(length={item.length})"
    if kind == "type" and isinstance(item, BigInteger) and item is COUNTER:
        return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


def _same_type(
    _context: MigrationContext,
    _column: object,
    _model: object,
    found: TypeEngine[Any],
    wanted: TypeEngine[Any],
) -> bool | None:
    """False: they are the same. None: let Alembic judge."""
    return False if wanted is COUNTER and found.python_type is int else None


OPTIONS: dict[str, Any] = {
    "render_as_batch": True,  # SQLite changes a table by making it anew
    "transactional_ddl": True,  # SQLite can too, once it begins its transactions itself
    "compare_type": _same_type,
    "compare_server_default": True,
    "render_item": _render,
}


def differences(connection: Connection) -> list[Any]:
    """What Alembic would change to make the database like the models; it does not look at checks."""
    options = {name: OPTIONS[name] for name in ("compare_type", "compare_server_default")}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
