"""What is sealed, signed or must be remembered: sealed values, logs, receipts, the audit trail, and what was
seen once.

Receipts and audit events belong to the account that could read them, and outlive everything they speak
of: their ids are no references.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, UniqueConstraint

from sealock.core.receipt import LONGEST_RECEIPT
from sealock.core.sealed import LONGEST_VALUE, Kind
from sealock.store.database.metadata import (
    COUNTER,
    at_least,
    bytes_column,
    digest,
    document,
    flag,
    identity,
    moment,
    one_of,
    reference,
    table,
    text,
    word,
)

sealed_values = table(
    "sealed_values",
    reference("account", "accounts.id", primary_key=True),
    identity("project", primary_key=True),  # `` for what is the account's own
    word("kind", primary_key=True),
    text("name", 128, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("key_version", BigInteger, nullable=False),
    text("suite", 100),
    bytes_column("data", 2 * LONGEST_VALUE, nullable=True),
    flag("pinned"),
    moment("created_at"),
    moment("destroyed_at", nullable=True),
    one_of("kind", *Kind),
    at_least("version", 1),
    at_least("key_version", 1),
    # A destroyed version has no data, every other has.
    CheckConstraint("(data IS NULL) = (destroyed_at IS NOT NULL)", name="data_or_destroyed"),
)

# Versions of an owner's key set below `below` are not sealed to any more.
retired_keys = table(
    "retired_keys",
    reference("account", "accounts.id", primary_key=True),
    identity("project", primary_key=True),
    Column("below", BigInteger, nullable=False),
    at_least("below", 1),
)

# Where each sealed log ends; the frames themselves are in files.
logs = table(
    "logs",
    reference("build", "builds.id", primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("frames", BigInteger, nullable=False, default=0),
    Column("lines", BigInteger, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    digest("digest", nullable=True),  # of the whole file, once it is closed
    moment("created_at"),
    moment("closed_at", nullable=True),
    at_least("attempt", 1),
    at_least("frames", 0),
    at_least("lines", 0),
    at_least("bytes", 0),
)

# What the sweep of old logs last saw of the clock; one row.
log_sweeps = table(
    "log_sweeps",
    Column("id", Integer, primary_key=True, autoincrement=False),
    moment("looked_at"),
    moment("steady_since"),
)

receipts = table(
    "receipts",
    identity("build", primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    identity("account"),
    identity("project"),
    text("key_id", 64),
    bytes_column("envelope", LONGEST_RECEIPT),
    Column("leaf", BigInteger, nullable=True),  # its place in the installation's log
    moment("signed_at"),
    UniqueConstraint("leaf"),
    at_least("attempt", 1),
    Index("ix_receipts_account_signed_at", "account", "signed_at"),
)

audit_events = table(
    "audit_events",
    Column("id", COUNTER, primary_key=True),
    identity("account", nullable=True),  # null: of the installation
    identity("actor"),  # a person's, worker's or token's id, or `sealock`
    text("action", 100),  # `scope:resource:action`
    text("subject", 200),
    document("details", default=dict),
    text("address", 64),
    moment("at"),
    Index("ix_audit_events_account_id", "account", "id"),
)

deliveries = table(
    "deliveries",
    text("source", 100, primary_key=True),  # the provider and the hook it came to
    text("delivery", 200, primary_key=True),
    moment("received_at"),
    Index("ix_deliveries_received_at", "received_at"),
)

idempotency_keys = table(
    "idempotency_keys",
    identity("caller", primary_key=True),
    text("key", 255, primary_key=True),
    digest("request_digest"),
    Column("status", Integer, nullable=True),  # null while the first request is at work
    bytes_column("response", 1024 * 1024, nullable=True),
    moment("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
