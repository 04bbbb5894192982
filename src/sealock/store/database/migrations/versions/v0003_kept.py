"""What is sealed, signed or must be remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    _sealed_values()
    _retired_keys()
    _logs()
    _receipts()
    _audit_events()
    _deliveries()
    _idempotency_keys()


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("idempotency_keys")
    op.drop_table("deliveries")
    op.drop_table("audit_events")
    op.drop_table("receipts")
    op.drop_table("logs")
    op.drop_table("retired_keys")
    op.drop_table("sealed_values")


def _sealed_values() -> None:
    op.create_table(
        "sealed_values",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_version", sa.BigInteger(), nullable=False),
        sa.Column("suite", sa.String(length=100), nullable=False),
        sa.Column("data", sa.LargeBinary(length=2097152), nullable=True),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("destroyed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('"key_version" >= 1', name=op.f("ck_sealed_values_key_version_least")),
        sa.CheckConstraint(
            "\"kind\" IN ('ssh-key', 'variable', 'file', 'log-key', 'artifact-key', 'token')",
            name=op.f("ck_sealed_values_kind_known"),
        ),
        sa.CheckConstraint('"version" >= 1', name=op.f("ck_sealed_values_version_least")),
        sa.CheckConstraint(
            "(data IS NULL) = (destroyed_at IS NOT NULL)", name=op.f("ck_sealed_values_data_or_destroyed")
        ),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_sealed_values_account_length")),
        sa.CheckConstraint('length("data") <= 2097152', name=op.f("ck_sealed_values_data_length")),
        sa.CheckConstraint('length("name") <= 128', name=op.f("ck_sealed_values_name_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_sealed_values_project_length")),
        sa.CheckConstraint('length("suite") <= 100', name=op.f("ck_sealed_values_suite_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_sealed_values_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "account", "project", "kind", "name", "version", name=op.f("pk_sealed_values")
        ),
    )


def _retired_keys() -> None:
    op.create_table(
        "retired_keys",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("below", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('"below" >= 1', name=op.f("ck_retired_keys_below_least")),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_retired_keys_account_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_retired_keys_project_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_retired_keys_account"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account", "project", name=op.f("pk_retired_keys")),
    )


def _logs() -> None:
    op.create_table(
        "logs",
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('"attempt" >= 1', name=op.f("ck_logs_attempt_least")),
        sa.CheckConstraint('"bytes" >= 0', name=op.f("ck_logs_bytes_least")),
        sa.CheckConstraint('"frames" >= 0', name=op.f("ck_logs_frames_least")),
        sa.CheckConstraint('"lines" >= 0', name=op.f("ck_logs_lines_least")),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_logs_build_length")),
        sa.CheckConstraint('length("digest") = 32', name=op.f("ck_logs_digest_length")),
        sa.ForeignKeyConstraint(["build"], ["builds.id"], name=op.f("fk_logs_build"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("build", "attempt", name=op.f("pk_logs")),
    )


def _receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(length=8388608), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('"attempt" >= 1', name=op.f("ck_receipts_attempt_least")),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_receipts_account_length")),
        sa.CheckConstraint('length("build") <= 64', name=op.f("ck_receipts_build_length")),
        sa.CheckConstraint('length("envelope") <= 8388608', name=op.f("ck_receipts_envelope_length")),
        sa.CheckConstraint('length("key_id") <= 64', name=op.f("ck_receipts_key_id_length")),
        sa.CheckConstraint('length("project") <= 64', name=op.f("ck_receipts_project_length")),
        sa.PrimaryKeyConstraint("build", "attempt", name=op.f("pk_receipts")),
        sa.UniqueConstraint("leaf", name=op.f("uq_receipts_leaf")),
    )
    op.create_index("ix_receipts_account_signed_at", "receipts", ["account", "signed_at"], unique=False)


def _audit_events() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=True),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_audit_events_account_length")),
        sa.CheckConstraint('length("action") <= 100', name=op.f("ck_audit_events_action_length")),
        sa.CheckConstraint('length("actor") <= 64', name=op.f("ck_audit_events_actor_length")),
        sa.CheckConstraint('length("address") <= 64', name=op.f("ck_audit_events_address_length")),
        sa.CheckConstraint('length("subject") <= 200', name=op.f("ck_audit_events_subject_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_account_id", "audit_events", ["account", "id"], unique=False)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("delivery", sa.String(length=200), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('length("delivery") <= 200', name=op.f("ck_deliveries_delivery_length")),
        sa.CheckConstraint('length("source") <= 100', name=op.f("ck_deliveries_source_length")),
        sa.PrimaryKeyConstraint("source", "delivery", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_received_at", "deliveries", ["received_at"], unique=False)


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("response", sa.LargeBinary(length=1048576), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('length("caller") <= 64', name=op.f("ck_idempotency_keys_caller_length")),
        sa.CheckConstraint('length("key") <= 255', name=op.f("ck_idempotency_keys_key_length")),
        sa.CheckConstraint(
            'length("request_digest") = 32', name=op.f("ck_idempotency_keys_request_digest_length")
        ),
        sa.CheckConstraint('length("response") <= 1048576', name=op.f("ck_idempotency_keys_response_length")),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
