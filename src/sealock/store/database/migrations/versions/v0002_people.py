"""People, what they are, and what shows that it is them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    _people()
    _memberships()
    _staff()
    _sessions()
    _tokens()
    _one_times()


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("one_times")
    op.drop_table("tokens")
    op.drop_table("sessions")
    op.drop_table("staff")
    op.drop_table("memberships")
    op.drop_table("people")


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=512), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint('length("email") <= 320', name=op.f("ck_people_email_length")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_people_id_length")),
        sa.CheckConstraint('length("name") <= 200', name=op.f("ck_people_name_length")),
        sa.CheckConstraint('length("password_hash") <= 512', name=op.f("ck_people_password_hash_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("email", name=op.f("uq_people_email")),
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.CheckConstraint(
            "\"role\" IN ('owner', 'member', 'billing')", name=op.f("ck_memberships_role_known")
        ),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_memberships_account_length")),
        sa.CheckConstraint('length("person") <= 64', name=op.f("ck_memberships_person_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_memberships_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person"], ["people.id"], name=op.f("fk_memberships_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person", "account", "role", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_account", "memberships", ["account"], unique=False)


def _staff() -> None:
    op.create_table(
        "staff",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.CheckConstraint("\"role\" IN ('crew', 'operator')", name=op.f("ck_staff_role_known")),
        sa.CheckConstraint('length("person") <= 64', name=op.f("ck_staff_person_length")),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_staff_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("person", "role", name=op.f("pk_staff")),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("agent", sa.String(length=512), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.CheckConstraint('length("address") <= 64', name=op.f("ck_sessions_address_length")),
        sa.CheckConstraint('length("agent") <= 512', name=op.f("ck_sessions_agent_length")),
        sa.CheckConstraint('length("digest") = 32', name=op.f("ck_sessions_digest_length")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_sessions_id_length")),
        sa.CheckConstraint('length("person") <= 64', name=op.f("ck_sessions_person_length")),
        sa.ForeignKeyConstraint(
            ["person"], ["people.id"], name=op.f("fk_sessions_person"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("digest", name=op.f("uq_sessions_digest")),
    )
    op.create_index("ix_sessions_person", "sessions", ["person"], unique=False)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("permissions", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint('length("account") <= 64', name=op.f("ck_tokens_account_length")),
        sa.CheckConstraint('length("digest") = 32', name=op.f("ck_tokens_digest_length")),
        sa.CheckConstraint('length("id") <= 64', name=op.f("ck_tokens_id_length")),
        sa.CheckConstraint('length("name") <= 200', name=op.f("ck_tokens_name_length")),
        sa.CheckConstraint('length("person") <= 64', name=op.f("ck_tokens_person_length")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.id"], name=op.f("fk_tokens_account"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person"], ["people.id"], name=op.f("fk_tokens_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_index("ix_tokens_account", "tokens", ["account"], unique=False)
    op.create_index("ix_tokens_person", "tokens", ["person"], unique=False)


def _one_times() -> None:
    op.create_table(
        "one_times",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("\"purpose\" IN ('setup', 'join')", name=op.f("ck_one_times_purpose_known")),
        sa.CheckConstraint('length("digest") = 32', name=op.f("ck_one_times_digest_length")),
        sa.CheckConstraint('length("subject") <= 200', name=op.f("ck_one_times_subject_length")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_one_times")),
        sa.UniqueConstraint("purpose", "subject", name=op.f("uq_one_times_purpose_subject")),
    )
