"""The build queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    _queue_clock()
    _queue_accounts()
    _queue_lanes()
    _queue_projects()
    _queue_builds()
    _queue_events()


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("queue_events")
    op.drop_table("queue_builds")
    op.drop_table("queue_projects")
    op.drop_table("queue_lanes")
    op.drop_table("queue_accounts")
    op.drop_table("queue_clock")


def _queue_clock() -> None:
    op.create_table(
        "queue_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("reached", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_clock")),
    )


def _queue_accounts() -> None:
    op.create_table(
        "queue_accounts",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("passed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_queue_accounts_account_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_queue_accounts_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_queue_accounts")),
    )


def _queue_lanes() -> None:
    op.create_table(
        "queue_lanes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("needs", sa.String(length=1100), nullable=False),
        sa.Column("group", sa.String(length=200), nullable=False),
        sa.Column("queued", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint('"queued" >= 0', name=op.f("ck_queue_lanes_queued_least")),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_queue_lanes_account_length")),
        sa.CheckConstraint('length("group") <= 200', name=op.f("ck_queue_lanes_group_length")),
        sa.CheckConstraint('length("needs") <= 1100', name=op.f("ck_queue_lanes_needs_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_queue_lanes_project_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_queue_lanes_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project"], ["projects.id"], name=op.f("fk_queue_lanes_project"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_lanes")),
        sa.UniqueConstraint("project", "needs", "group", name=op.f("uq_queue_lanes_project_needs_group")),
    )
    op.create_index(
        "ix_queue_lanes_waiting",
        "queue_lanes",
        ["account"],
        unique=False,
        sqlite_where=sa.text("queued > 0"),
        postgresql_where=sa.text("queued > 0"),
    )


def _queue_projects() -> None:
    op.create_table(
        "queue_projects",
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=True),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_queue_projects_project_length")),
        sa.ForeignKeyConstraint(
            ["project"], ["projects.id"], name=op.f("fk_queue_projects_project"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project", name=op.f("pk_queue_projects")),
    )


def _queue_builds() -> None:
    op.create_table(
        "queue_builds",
        sa.Column("place", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("stop_at", sa.BigInteger(), nullable=True),
        sa.Column("line", sa.String(length=1100), nullable=False),
        sa.Column("delivery", sa.String(length=200), nullable=True),
        sa.Column("deploys", sa.Boolean(), nullable=False),
        sa.Column("deploying", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(length=2000), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint('"attempts" >= 1', name=op.f("ck_queue_builds_attempts_least")),
        sa.CheckConstraint(
            "\"outcome\" IN ('green', 'red', 'silent', 'too-long', 'cancelled', 'machine-lost', 'error')",
            name=op.f("ck_queue_builds_outcome_known"),
        ),
        sa.CheckConstraint(
            "\"state\" IN ('queued', 'running', 'stopping', 'finished', 'failed', 'cancelled')",
            name=op.f("ck_queue_builds_state_known"),
        ),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_queue_builds_account_length")),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_queue_builds_build_length")),
        sa.CheckConstraint('length("delivery") <= 200', name=op.f("ck_queue_builds_delivery_length")),
        sa.CheckConstraint('length("line") <= 1100', name=op.f("ck_queue_builds_line_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_queue_builds_project_length")),
        sa.CheckConstraint('length("reason") <= 2000', name=op.f("ck_queue_builds_reason_length")),
        sa.CheckConstraint('length("worker") <= 64', name=op.f("ck_queue_builds_worker_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_queue_builds_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["build"], ["builds.id"], name=op.f("fk_queue_builds_build"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["lane"], ["queue_lanes.id"], name=op.f("fk_queue_builds_lane"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project"], ["projects.id"], name=op.f("fk_queue_builds_project"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_queue_builds")),
        sa.UniqueConstraint("build", name=op.f("uq_queue_builds_build")),
        sa.UniqueConstraint("project", "delivery", name=op.f("uq_queue_builds_project_delivery")),
    )
    op.create_index(
        "ix_queue_builds_account", "queue_builds", ["account", "state", "rank", "place"], unique=False
    )
    op.create_index("ix_queue_builds_deadline", "queue_builds", ["state", "deadline"], unique=False)
    op.create_index("ix_queue_builds_head", "queue_builds", ["lane", "state", "rank", "place"], unique=False)
    op.create_index("ix_queue_builds_line", "queue_builds", ["project", "line", "state"], unique=False)


def _queue_events() -> None:
    op.create_table(
        "queue_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.CheckConstraint(
            "\"kind\" IN ('enqueued', 'claimed', 'deploying', 'cancel-asked', "
            "'put-back', 'finished', 'failed', 'cancelled', 'refused')",
            name=op.f("ck_queue_events_kind_known"),
        ),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_queue_events_build_length")),
        sa.CheckConstraint('length("reason") <= 2000', name=op.f("ck_queue_events_reason_length")),
        sa.CheckConstraint('length("worker") <= 64', name=op.f("ck_queue_events_worker_length")),
        sa.ForeignKeyConstraint(
            ["build"], ["builds.id"], name=op.f("fk_queue_events_build"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_events")),
    )
    op.create_index(op.f("ix_queue_events_build"), "queue_events", ["build"], unique=False)
