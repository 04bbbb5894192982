"""When a worker was removed. Of those that were before, nobody knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("workers", sa.Column("removed_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_column("workers", "removed_at")
