"""Outbox: its tables. A row is unpublished until `published_at` or `abandoned_at` is set."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    Select,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from kits.postgres.schema import metadata

outbox = metadata()
EVENT_ID = Uuid(as_uuid=False)

UNPUBLISHED = text("published_at IS NULL AND abandoned_at IS NULL")

outbox_event = Table(
    "outbox_event",
    outbox,
    Column("event_id", EVENT_ID, primary_key=True),
    Column("aggregate_type", Text, nullable=False),
    Column("aggregate_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("event_version", SmallInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True)),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("lease_token", Uuid(as_uuid=False)),
    Column("lease_until", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("last_error", Text),
    Column("dead_at", DateTime(timezone=True)),
    Column("abandoned_at", DateTime(timezone=True)),
    Index(
        "uq_outbox_event_aggregate_seq",
        "aggregate_type",
        "aggregate_id",
        "seq",
        unique=True,
        postgresql_where=text("abandoned_at IS NULL"),
    ),
    Index("ix_outbox_event_unpublished", "event_id", postgresql_where=UNPUBLISHED),
)

outbox_audit = Table(
    "outbox_audit",
    outbox,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("actor", Text, nullable=False),
    Column("action", Text, CheckConstraint("action IN ('retry', 'abandon')", "action"), nullable=False),
    Column("event_id", EVENT_ID, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_outbox_audit_order_id_at", "order_id", "at"),
)
"""What operators did about dead events: who, when and why; no foreign key, it outlives them."""

_earlier = outbox_event.alias("earlier")

lease_end = func.clock_timestamp() + func.make_interval(
    0, 0, 0, 0, 0, 0, bindparam("lease_seconds", type_=Double)
)
"""When a lease that is taken or prolonged now runs out; now() would be the transaction's start."""


def earlier_unpublished(aggregate_type: Any, aggregate_id: Any, seq: Any) -> ColumnElement[bool]:
    """Whether an unpublished row of the same aggregate stands before this seq: then it must wait."""
    # Written so that it does not match the partial index: statistics from a time without a backlog make that
    # look empty, and every row would read the whole backlog. The unique index finds the aggregate's few rows.
    found: Select[Any] = select(literal_column("1")).where(
        _earlier.c.aggregate_type == aggregate_type,
        _earlier.c.aggregate_id == aggregate_id,
        _earlier.c.seq < seq,
        func.coalesce(_earlier.c.published_at, text("'infinity'")) == text("'infinity'"),
        _earlier.c.abandoned_at.is_(None),
    )
    # OFFSET keeps it a question that is asked for each row. As a join, planned while the table was empty, it
    # read the whole index for each.
    return found.offset(literal_column("0")).exists()
