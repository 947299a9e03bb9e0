"""Ledger: its tables."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from kits.postgres.schema import metadata

SCHEMA = "delivery"
"""Where the tables are declared; an engine may find them elsewhere (WORKER_DATABASE_SCHEMA)."""
ledger = metadata(SCHEMA)

OPEN_STATUS = text("status IN ('dead', 'held', 'retrying')")

delivery = Table(
    "delivery",
    ledger,
    Column("consumer_group", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("order_id", Text),
    Column("seq", Integer),
    Column("event_type", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("payload", LargeBinary),
    Column("headers", LargeBinary),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("error_class", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("first_failed_at", DateTime(timezone=True)),
    Column("last_failed_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("ix_delivery_open", "consumer_group", "order_id", "seq", postgresql_where=OPEN_STATUS),
)
"""One row per event. Key, payload and headers are there only while the event is dead, held or retrying."""

delivery_order = Table(
    "delivery_order",
    ledger,
    Column("consumer_group", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("last_seq", Integer, nullable=False, server_default="0"),
    Column("blocked", Text),
    Column("is_baseline", Boolean, nullable=False, server_default=text("false")),
    Column("lease_token", Uuid),
    Column("lease_until", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index(
        "ix_delivery_order_blocked",
        "consumer_group",
        "order_id",
        postgresql_where=text("blocked IS NOT NULL"),
    ),
)
"""One row per order: the high-water mark `last_seq`, which only grows, and whether the order is blocked."""

delivery_partition = Table(
    "delivery_partition",
    ledger,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("first_offset", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
"""Where the log of a partition began when the group first saw it."""

delivery_audit = Table(
    "delivery_audit",
    ledger,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("consumer_group", Text, nullable=False),
    Column("order_id", Text),
    Column("event_id", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
)
"""What operators did, who, when and why; written in the transaction of the action."""
delivery_storm = Table(
    "delivery_storm",
    ledger,
    Column("consumer_group", Text, primary_key=True),
    Column("tripped_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Column("event_ids", ARRAY(Text), nullable=False),
    Column("released_at", DateTime(timezone=True)),
)
"""The last storm of each group: it stands while it is not released. `event_ids` were about to die."""
