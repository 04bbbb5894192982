"""Brings the tables from one version of Sealock to another, in one transaction: all of it or nothing.

Each file in `versions` is one step, in both directions; `scripts/migration` writes a new one. No ini
file: where the database is, `database.engine` knows. Two servers that migrate at once do so one after
the other, and the second finds nothing to do.
"""

from sealock.store.database.migrations.run import BASE, HEAD, current, downgrade, migrate, upgrade

__all__ = ["BASE", "HEAD", "current", "downgrade", "migrate", "upgrade"]
