"""Outbox: its tables, and how the kit's ordered queue finds its columns in them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import EventMessage, headers_of
from contracts.order_events import AGGREGATE_TYPE
from kits.kafka.records import OutgoingRecord
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Item
from kits.ordered_queue.sql_store import SqlStore
from kits.postgres.identifiers import quoted
from kits.postgres.schema import metadata
from kits.schemas.known_schemas import known_schema_table

outbox = metadata()
EVENT_ID = Uuid(as_uuid=False)

UNPUBLISHED = text("published_at IS NULL AND abandoned_at IS NULL")
WAITING = text("published_at IS NULL AND dead_at IS NULL AND abandoned_at IS NULL")
DEAD = text("dead_at IS NOT NULL AND published_at IS NULL AND abandoned_at IS NULL")

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
    Column("payload_size", Integer, nullable=False, server_default="16384"),
    Column("headers", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True)),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("lease_token", Uuid(as_uuid=False)),
    Column("lease_until", DateTime(timezone=True)),
    Column("claim", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("last_error", Text),
    Column("dead_at", DateTime(timezone=True)),
    Column("abandoned_at", DateTime(timezone=True)),
    Column("replayed_at", DateTime(timezone=True)),
    Index(
        "uq_outbox_event_aggregate_seq",
        "aggregate_type",
        "aggregate_id",
        "seq",
        unique=True,
        postgresql_where=text("abandoned_at IS NULL"),
    ),
    Index("ix_outbox_event_unpublished", "event_id", postgresql_where=UNPUBLISHED),
    Index("ix_outbox_event_waiting", "due_at", "event_id", postgresql_where=WAITING),
    Index("ix_outbox_event_dead", "event_id", postgresql_where=DEAD),
)
"""One row per event; what is abandoned keeps its seq, and a notice has it too.

Earlier builds work on the same rows: they name no `payload_size`, `claim`, `due_at`, and wait by
`next_attempt_at`; what has no default of its own here they always write.
"""

outbox_audit = Table(
    "outbox_audit",
    outbox,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("actor", Text, nullable=False),
    Column(
        "action",
        Text,
        CheckConstraint("action IN ('retry', 'abandon', 'republish')", "action"),
        nullable=False,
    ),
    Column("event_id", EVENT_ID, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_outbox_audit_order_id_at", "order_id", "at"),
)
"""What operators did to events: who, when and why; no foreign key, it outlives them."""


known_schema = known_schema_table(outbox, "outbox")
"""Under which ids of a registry events may be written as Avro."""


def outbox_queue(schema: str) -> QueueTable:
    """The queue whose table lies in this schema: the key is the order, the number its seq."""
    return QueueTable(
        f"{quoted(schema)}.outbox_event",
        born_at="q.occurred_at",
        # What is abandoned has left the queue: its notice has the number.
        key_scope=f"q.aggregate_type = '{AGGREGATE_TYPE}' AND q.abandoned_at IS NULL",
        extra={
            "event_type": "text",
            "event_version": "smallint",
            "topic": "text",
            "headers": "jsonb",
            "occurred_at": "timestamptz",
        },
        derived={"aggregate_type": f"'{AGGREGATE_TYPE}'", "key": "convert_to(key, 'UTF8')"},
        written={"partition": "integer", "offset": "bigint"},
        settled={"last_error": "sent.code || ': ' || sent.reason"},
        # A number that is missing counts as done, so nothing needs the newest of an order.
        closed="q.published_at IS NOT NULL",
        id="event_id",
        key="aggregate_id",
        number="seq",
        done_at="published_at",
        given_up_at="abandoned_at",
        token="lease_token",  # noqa: S106 - a column's name
    )


class OutboxItem(Item, gc=False, kw_only=True):
    """An event on its way to Kafka: `key` is the order, `number` its seq."""

    message: EventMessage

    def record(self) -> OutgoingRecord:
        """See kits.outbox.kafka_sink.RecordItem."""
        message = self.message
        return OutgoingRecord(message.topic, message.key, message.payload, headers_of(message))

    def names(self) -> dict[str, Any]:
        """See kits.outbox.kafka_sink.RecordItem."""
        return {"order_id": self.key, "event_id": self.id, "seq": self.number}


class OutboxStore(SqlStore):
    """The outbox between transactions."""

    def item_of(self, row: Mapping[str, Any]) -> OutboxItem:
        """See SqlStore."""
        return item_of(
            EventMessage(
                event_id=str(row["event_id"]),
                aggregate_type=row["aggregate_type"],
                aggregate_id=row["aggregate_id"],
                seq=row["seq"],
                event_type=row["event_type"],
                event_version=row["event_version"],
                occurred_at=row["occurred_at"],
                topic=row["topic"],
                payload=row["payload"],
                traceparent=row["headers"].get("traceparent", ""),
            ),
            attempts=row["attempts"],
        )


def item_of(message: EventMessage, *, attempts: int = 0) -> OutboxItem:
    """The queue's item for a message."""
    return OutboxItem(
        message.event_id, message.aggregate_id, message.seq, message.payload, attempts, message=message
    )
