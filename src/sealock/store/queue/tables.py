"""The queue's own tables. Accounts, projects, builds and workers are in `store.database.tables`.

How many builds run is always counted from the builds that do: a limit that hung on a counter would be
as right as the counter. How many wait in a lane is kept, since thousands may.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, UniqueConstraint, column
from sqlalchemy import text as literal

from sealock.core.build import Outcome
from sealock.core.queue import QueueEventKind, QueueState
from sealock.store.database.metadata import (
    COUNTER,
    at_least,
    identity,
    moment,
    one_of,
    reference,
    table,
    text,
    word,
)

queue_lanes = table(
    "queue_lanes",
    Column("id", COUNTER, primary_key=True),
    reference("account", "accounts.id"),
    reference("project", "projects.id"),
    # Labels, sorted and with commas between: equal sets are equal texts.
    text("needs", 1100),
    text("group", 200),
    Column("queued", Integer, nullable=False, server_default=literal("0")),
    UniqueConstraint("project", "needs", "group"),
    at_least("queued", 0),
    Index(
        "ix_queue_lanes_waiting",
        "account",
        sqlite_where=column("queued", Integer) > 0,
        postgresql_where=column("queued", Integer) > 0,
    ),
)

queue_builds = table(
    "queue_builds",
    # Counts up: what was queued first is first, whatever the clock said.
    Column("place", COUNTER, primary_key=True),
    reference("build", "builds.id"),
    reference("account", "accounts.id"),
    reference("project", "projects.id"),
    Column("lane", COUNTER, ForeignKey("queue_lanes.id", ondelete="CASCADE"), nullable=False),
    word("state"),
    # The lower, the sooner: the priority, negative, so that an index has them in their order.
    Column("rank", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=literal("0")),
    Column("attempts", Integer, nullable=False),
    identity("worker", nullable=True),
    # When it is looked at: of a lease, of a wait. Null once it is over.
    moment("deadline", nullable=True),
    # When the attempt is stopped, however often it beats.
    moment("stop_at", nullable=True),
    text("line", 1100),
    text("delivery", 200, nullable=True),
    Column("deploys", Boolean(create_constraint=False), nullable=False),
    Column("deploying", Boolean(create_constraint=False), nullable=False, server_default=literal("false")),
    word("outcome", nullable=True),
    text("reason", 2000, server_default=literal("''")),
    UniqueConstraint("build"),
    UniqueConstraint("project", "delivery"),
    one_of("state", *QueueState),
    one_of("outcome", *Outcome),
    at_least("attempts", 1),
    # The head of a lane, the order within an account, what is past its deadline, what a build replaces,
    # what a worker has.
    Index("ix_queue_builds_head", "lane", "state", "rank", "place"),
    Index("ix_queue_builds_account", "account", "state", "rank", "place"),
    Index("ix_queue_builds_deadline", "state", "deadline"),
    Index("ix_queue_builds_line", "project", "line", "state"),
    Index("ix_queue_builds_worker", "worker", "state"),
)

queue_accounts = table(
    "queue_accounts",
    reference("account", "accounts.id", primary_key=True),
    Column("passed", BigInteger, nullable=False, server_default=literal("0")),
)

queue_projects = table(
    "queue_projects",
    reference("project", "projects.id", primary_key=True),
    Column("max_running", Integer, nullable=True),
)

queue_clock = table(
    "queue_clock",
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1, its only row
    # When somebody last looked at what is past its deadline.
    moment("seen_at"),
    # Where the account stood (`queue_accounts.passed`) that was served last, before it was.
    Column("reached", BigInteger, nullable=False, server_default=literal("0")),
)

queue_events = table(
    "queue_events",
    Column("id", COUNTER, primary_key=True),
    reference("build", "builds.id"),
    Column("attempt", Integer, nullable=False),
    moment("at"),
    word("kind"),
    text("worker", 64),
    text("reason", 2000),
    one_of("kind", *QueueEventKind),
    Index(None, "build"),
)
