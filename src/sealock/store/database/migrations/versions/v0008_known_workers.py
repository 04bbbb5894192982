"""What a worker signs with, and whether the keeper knows it by that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    check = sa.CheckConstraint('length("signing_key") = 32', name=op.f("ck_workers_signing_key_length"))
    op.add_column("workers", sa.Column("signing_key", sa.LargeBinary(length=32), check, nullable=True))
    op.add_column("workers", sa.Column("known", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_column("workers", "known")
    op.drop_column("workers", "signing_key")
