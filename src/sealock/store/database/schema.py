"""All tables of the database. Whoever compares, migrates or copies them imports `metadata` from here: the
modules that are named below put theirs into it.
"""

from __future__ import annotations

from sealock.store.database import access_tables, kept_tables, tables
from sealock.store.database.metadata import metadata
from sealock.store.queue import tables as queue_tables

MODULES = (tables, access_tables, kept_tables, queue_tables)

__all__ = ["MODULES", "metadata"]
