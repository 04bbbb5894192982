"""What a sweep of old logs needs: which builds it has done, an index of the others, what the clock said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

HAS_LOGS = sa.text("state = 'ended' AND logs_removed_at IS NULL")


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("builds", sa.Column("logs_removed_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_builds_logs",
        "builds",
        ["project", "ended_at"],
        sqlite_where=HAS_LOGS,
        postgresql_where=HAS_LOGS,
    )
    op.create_table(
        "log_sweeps",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.Column("steady_since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_sweeps")),
    )


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("log_sweeps")
    op.drop_index("ix_builds_logs", "builds")
    op.drop_column("builds", "logs_removed_at")
