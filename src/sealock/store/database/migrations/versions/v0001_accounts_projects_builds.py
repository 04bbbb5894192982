"""Accounts, projects, builds with their steps, and workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    _accounts()
    _projects()
    _builds()
    _steps()
    _workers()


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("workers")
    op.drop_table("steps")
    op.drop_table("builds")
    op.drop_table("projects")
    op.drop_table("accounts")


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("max_running", sa.Integer(), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('"max_running" >= 0', name=op.f("ck_accounts_max_running_least")),
        sa.CheckConstraint('"weight" >= 1', name=op.f("ck_accounts_weight_least")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_accounts_id_length")),
        sa.CheckConstraint('length("name") <= 200', name=op.f("ck_accounts_name_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    # The account of an installation that has no others (`core.sealed.LOCAL_ACCOUNT`).
    op.execute(
        "INSERT INTO accounts (id, name, max_running, weight, created_at) VALUES ('local', 'Local', 2, 1, 0)"
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("address_user", sa.String(length=255), nullable=False),
        sa.Column("address_host", sa.String(length=255), nullable=False),
        sa.Column("address_port", sa.Integer(), nullable=False),
        sa.Column("address_path", sa.String(length=512), nullable=False),
        sa.Column("host_keys", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("public_key", sa.String(length=8192), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("key_set_version", sa.Integer(), nullable=False),
        sa.Column("key_suite", sa.String(length=100), nullable=False),
        sa.Column("key_data", sa.LargeBinary(length=8192), nullable=False),
        sa.Column("key_created_at", sa.BigInteger(), nullable=False),
        sa.Column("settings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('"key_set_version" >= 1', name=op.f("ck_projects_key_set_version_least")),
        sa.CheckConstraint('"key_version" >= 1', name=op.f("ck_projects_key_version_least")),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_projects_account_length")),
        sa.CheckConstraint('length("address_host") <= 255', name=op.f("ck_projects_address_host_length")),
        sa.CheckConstraint('length("address_path") <= 512', name=op.f("ck_projects_address_path_length")),
        sa.CheckConstraint('length("address_user") <= 255', name=op.f("ck_projects_address_user_length")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_projects_id_length")),
        sa.CheckConstraint('length("key_data") <= 8192', name=op.f("ck_projects_key_data_length")),
        sa.CheckConstraint('length("key_suite") <= 100', name=op.f("ck_projects_key_suite_length")),
        sa.CheckConstraint('length("name") <= 63', name=op.f("ck_projects_name_length")),
        sa.CheckConstraint('length("public_key") <= 8192', name=op.f("ck_projects_public_key_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_projects_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
        sa.UniqueConstraint(
            "account",
            "address_host",
            "address_port",
            "address_user",
            "address_path",
            name="uq_projects_address",
        ),
        sa.UniqueConstraint("account", "name", name=op.f("uq_projects_account_name")),
    )


def _builds() -> None:
    op.create_table(
        "builds",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ref", sa.String(length=1024), nullable=True),
        sa.Column("branch", sa.String(length=1024), nullable=True),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=False),
        sa.Column("trigger", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("fork", sa.Boolean(), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("plan_digest", sa.String(length=128), nullable=True),
        sa.Column("plan", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('"attempt" >= 0', name=op.f("ck_builds_attempt_least")),
        sa.CheckConstraint('"number" >= 1', name=op.f("ck_builds_number_least")),
        sa.CheckConstraint(
            "\"outcome\" IN ('green', 'red', 'silent', 'too-long', 'cancelled', 'machine-lost', 'error')",
            name=op.f("ck_builds_outcome_known"),
        ),
        sa.CheckConstraint("\"state\" IN ('queued', 'running', 'ended')", name=op.f("ck_builds_state_known")),
        sa.CheckConstraint(
            "\"trigger\" IN ('push', 'tag', 'pull-request', 'person', 'restart', 'schedule')",
            name=op.f("ck_builds_trigger_known"),
        ),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_builds_account_length")),
        sa.CheckConstraint('length("author") <= 320', name=op.f("ck_builds_author_length")),
        sa.CheckConstraint('length("branch") <= 1024', name=op.f("ck_builds_branch_length")),
        sa.CheckConstraint('length("commit") <= 64', name=op.f("ck_builds_commit_length")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_builds_id_length")),
        sa.CheckConstraint('length("message") <= 2000', name=op.f("ck_builds_message_length")),
        sa.CheckConstraint('length("person") <= 64', name=op.f("ck_builds_person_length")),
        sa.CheckConstraint('length("plan_digest") <= 128', name=op.f("ck_builds_plan_digest_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_builds_project_length")),
        sa.CheckConstraint('length("reason") <= 2000', name=op.f("ck_builds_reason_length")),
        sa.CheckConstraint('length("ref") <= 1024', name=op.f("ck_builds_ref_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_builds_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["project"], ["projects.id"], name=op.f("fk_builds_project"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_builds")),
        sa.UniqueConstraint("project", "number", name=op.f("uq_builds_project_number")),
    )
    op.create_index("ix_builds_account_created_at", "builds", ["account", "created_at"], unique=False)


def _steps() -> None:
    op.create_table(
        "steps",
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('"attempt" >= 1', name=op.f("ck_steps_attempt_least")),
        sa.CheckConstraint("\"kind\" IN ('setup', 'test', 'deploy')", name=op.f("ck_steps_kind_known")),
        sa.CheckConstraint('"number" >= 1', name=op.f("ck_steps_number_least")),
        sa.CheckConstraint(
            "\"state\" IN ('waiting', 'running', 'passed', 'failed', 'stopped', 'skipped')",
            name=op.f("ck_steps_state_known"),
        ),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_steps_build_length")),
        sa.CheckConstraint('length("name") <= 200', name=op.f("ck_steps_name_length")),
        sa.CheckConstraint('length("reason") <= 2000', name=op.f("ck_steps_reason_length")),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], name=op.f("fk_steps_build"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "attempt", "number", name=op.f("pk_steps")),
    )


def _workers() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("machines", sa.Integer(), nullable=False),
        sa.Column("certificate_digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('"machines" >= 0', name=op.f("ck_workers_machines_least")),
        sa.CheckConstraint(
            "\"state\" IN ('active', 'draining', 'revoked')", name=op.f("ck_workers_state_known")
        ),
        sa.CheckConstraint(
            'length("certificate_digest") = 32', name=op.f("ck_workers_certificate_digest_length")
        ),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_workers_id_length")),
        sa.CheckConstraint('length("name") <= 100', name=op.f("ck_workers_name_length")),
        sa.CheckConstraint('length("version") <= 64', name=op.f("ck_workers_version_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("certificate_digest", name=op.f("uq_workers_certificate_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_workers_name")),
    )
