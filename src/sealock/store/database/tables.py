"""Accounts, projects, builds and workers: what the service is about. Sign-in is in `access_tables`, what is
sealed or signed in `kept_tables`, the queue's own tables in `store.queue`.

Who deletes an account or a project deletes what belongs to it; receipts and audit events stay.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, UniqueConstraint
from sqlalchemy import text as literal

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.worker_state import WorkerState
from sealock.store.database.metadata import (
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

accounts = table(
    "accounts",
    identity(primary_key=True),
    text("name", 200),
    # Builds of this account that may run at once, and its share where accounts compete.
    Column("max_running", Integer, nullable=False, default=2),
    Column("weight", Integer, nullable=False, default=1),
    moment("created_at"),
    at_least("max_running", 0),
    at_least("weight", 1),
)

projects = table(
    "projects",
    identity(primary_key=True),
    reference("account", "accounts.id"),
    text("name", 63),
    text("address_user", 255),
    text("address_host", 255),
    Column("address_port", Integer, nullable=False),
    text("address_path", 512),
    document("host_keys"),
    text("public_key", 8192),
    # The private half (`core.sealed.Sealed`): its version counts up with each reset.
    Column("key_version", Integer, nullable=False),
    Column("key_set_version", Integer, nullable=False),
    text("key_suite", 100),
    bytes_column("key_data", 8192),
    moment("key_created_at"),
    document("settings", default=dict),
    # The number of the newest build, so that numbers are given out under this row's lock.
    Column("last_number", Integer, nullable=False, default=0),
    moment("created_at"),
    UniqueConstraint("account", "name"),
    UniqueConstraint(
        "account",
        "address_host",
        "address_port",
        "address_user",
        "address_path",
        name="uq_projects_address",
    ),
    at_least("key_version", 1),
    at_least("key_set_version", 1),
)

IS_GREEN = literal("outcome = 'green'")
IS_LIVE = literal("state <> 'revoked'")
HAS_LOGS = literal("state = 'ended' AND logs_removed_at IS NULL")
"""Spelled out, so that the indexes of these rows alone are used."""

builds = table(
    "builds",
    identity(primary_key=True),
    reference("account", "accounts.id"),
    reference("project", "projects.id"),
    Column("number", Integer, nullable=False),
    # Counts up within the account: the order of its lists, whatever the clock said.
    Column("place", BigInteger, nullable=False, server_default=literal("0")),
    text("ref", 1024, nullable=True),
    text("branch", 1024, nullable=True),
    text("commit", 64, nullable=True),
    text("message", 2000, default=""),
    text("author", 320, default=""),
    word("trigger"),
    identity("person", nullable=True),  # who asked for it, where somebody did
    document("pipelines", nullable=True),  # names; null means all
    identity("restart_of", nullable=True),  # the build it repeats, which may be gone
    identity("secrets_of", nullable=True),  # the attempt whose versions of secrets it is to get
    flag("fork"),
    flag("protected"),
    word("state"),
    word("outcome", nullable=True),
    text("reason", 2000, default=""),
    Column("attempt", Integer, nullable=False, default=0),
    text("plan_digest", 128, nullable=True),
    document("plan", nullable=True),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("ended_at", nullable=True),
    # When the last of its attempts' logs was removed because it was old.
    moment("logs_removed_at", nullable=True),
    UniqueConstraint("project", "number"),
    one_of("trigger", *Trigger),
    one_of("state", *BuildState),
    one_of("outcome", *Outcome),
    at_least("number", 1),
    at_least("attempt", 0),
    # The newest first, of all and of each kind that a list may ask for.
    Index("ix_builds_account_place", "account", "place"),
    Index("ix_builds_project", "account", "project", "place"),
    Index("ix_builds_branch", "account", "branch", "place"),
    Index("ix_builds_project_branch", "account", "project", "branch", "place"),
    Index("ix_builds_state", "account", "state", "place"),
    Index("ix_builds_outcome", "account", "outcome", "place"),
    Index("ix_builds_person", "account", "person", "place"),
    Index("ix_builds_commit", "account", "commit", "place"),
    Index(
        "ix_builds_green",
        *("project", "branch", "place"),
        sqlite_where=IS_GREEN,
        postgresql_where=IS_GREEN,
    ),
    # Those that a sweep of old logs may have to look at, the oldest first.
    Index(
        "ix_builds_logs",
        *("project", "ended_at"),
        sqlite_where=HAS_LOGS,
        postgresql_where=HAS_LOGS,
    ),
)

attempts = table(
    "attempts",
    reference("build", "builds.id", primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    document("phases"),
    at_least("attempt", 1),
)

steps = table(
    "steps",
    reference("build", "builds.id", primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    text("name", 200),
    word("kind"),
    word("state"),
    Column("exit_code", Integer, nullable=True),
    text("reason", 2000, default=""),
    moment("started_at", nullable=True),
    moment("ended_at", nullable=True),
    Column("first_line", BigInteger, nullable=True),  # of the log
    one_of("kind", "setup", "test", "deploy"),
    one_of("state", *StepState),
    at_least("attempt", 1),
    at_least("number", 1),
)

workers = table(
    "workers",
    identity(primary_key=True),
    text("name", 100),
    document("labels", default=list),
    Column("machines", Integer, nullable=False, default=1),  # at once
    # SHA-256 of the certificate it shows; null until it has joined.
    digest("certificate_digest", nullable=True),
    word("state"),
    text("version", 64, default=""),
    moment("created_at"),
    moment("seen_at", nullable=True),
    moment("removed_at", nullable=True),
    digest("signing_key", nullable=True),  # the public half, which is as long
    Column("known", Boolean, nullable=True),  # to the keeper, as it said last
    UniqueConstraint("certificate_digest"),
    # The name of one that is revoked is free again.
    Index("ix_workers_name", "name", unique=True, sqlite_where=IS_LIVE, postgresql_where=IS_LIVE),
    one_of("state", *WorkerState),
    at_least("machines", 0),
)
