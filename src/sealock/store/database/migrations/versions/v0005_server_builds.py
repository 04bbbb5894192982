"""What the server keeps of a build beside its queue, and names of revoked workers that are free again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

GREEN = sa.text("outcome = 'green'")
LIVE = sa.text("state <> 'revoked'")
INDEXES = {
    "ix_builds_account_place": ["account", "place"],
    "ix_builds_project": ["account", "project", "place"],
    "ix_builds_branch": ["account", "branch", "place"],
    "ix_builds_project_branch": ["account", "project", "branch", "place"],
    "ix_builds_state": ["account", "state", "place"],
    "ix_builds_outcome": ["account", "outcome", "place"],
    "ix_builds_person": ["account", "person", "place"],
    "ix_builds_commit": ["account", "commit", "place"],
}
WORKER_CHECKS = (
    sa.CheckConstraint("\"state\" IN ('active', 'draining', 'revoked')", name="ck_workers_state_known"),
    sa.CheckConstraint('"machines" >= 0', name="ck_workers_machines_least"),
    sa.CheckConstraint('length("id") <= 64', name="ck_workers_id_length"),
    sa.CheckConstraint('length("name") <= 100', name="ck_workers_name_length"),
    sa.CheckConstraint('length("certificate_digest") = 32', name="ck_workers_certificate_digest_length"),
    sa.CheckConstraint('length("version") <= 64', name="ck_workers_version_length"),
)
NUMBER = """
UPDATE builds SET place = (
    SELECT counted.place FROM (
        SELECT id, row_number() OVER (PARTITION BY account ORDER BY created_at, project, number) AS place
        FROM builds
    ) AS counted WHERE counted.id = builds.id
)
"""
# In an older table no two workers have the same name: those that are gone for good give theirs up.
NAMES_APART = """
UPDATE workers SET name = id WHERE state = 'revoked' AND EXISTS (
    SELECT 1 FROM workers AS other WHERE other.name = workers.name AND other.id <> workers.id
)
"""


def upgrade() -> None:
    """Go to this revision."""
    _attempts()
    _columns()
    op.execute(NUMBER)
    op.drop_index("ix_builds_account_created_at", "builds")
    for name, columns in INDEXES.items():
        op.create_index(name, "builds", columns)
    op.create_index(
        "ix_builds_green",
        "builds",
        ["project", "branch", "place"],
        sqlite_where=GREEN,
        postgresql_where=GREEN,
    )
    with op.batch_alter_table("workers", table_args=WORKER_CHECKS) as batch:
        batch.drop_constraint("uq_workers_name", type_="unique")
    op.create_index(
        "ix_workers_name", "workers", ["name"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE
    )
    op.create_index("ix_queue_builds_worker", "queue_builds", ["worker", "state"])


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_index("ix_queue_builds_worker", "queue_builds")
    op.drop_index("ix_workers_name", "workers")
    op.execute(NAMES_APART)
    with op.batch_alter_table("workers", table_args=WORKER_CHECKS) as batch:
        batch.create_unique_constraint(op.f("uq_workers_name"), ["name"])
    for name in (*INDEXES, "ix_builds_green"):
        op.drop_index(name, "builds")
    op.create_index("ix_builds_account_created_at", "builds", ["account", "created_at"])
    op.drop_column("steps", "first_line")
    for name in ("place", "pipelines", "restart_of", "secrets_of"):
        op.drop_column("builds", name)
    op.drop_table("attempts")


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("phases", sa.JSON(none_as_null=True), nullable=False),
        sa.CheckConstraint('"attempt" >= 1', name=op.f("ck_attempts_attempt_least")),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_attempts_build_length")),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], name=op.f("fk_attempts_build"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "attempt", name=op.f("pk_attempts")),
    )


def _columns() -> None:
    op.add_column("builds", sa.Column("place", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("builds", sa.Column("pipelines", sa.JSON(none_as_null=True), nullable=True))
    for name in ("restart_of", "secrets_of"):
        check = sa.CheckConstraint(f'length("{name}") <= 64', name=op.f(f"ck_builds_{name}_length"))
        op.add_column("builds", sa.Column(name, sa.String(length=64), check, nullable=True))
    op.add_column("steps", sa.Column("first_line", sa.BigInteger(), nullable=True))
