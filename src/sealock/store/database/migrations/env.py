"""What Alembic runs for each migration, on the connection and in the transaction it is handed."""

from __future__ import annotations

from alembic import context

from sealock.store.database.migrations.compare import OPTIONS
from sealock.store.database.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, **OPTIONS)
with context.begin_transaction():
    context.run_migrations()
