"""Outbox: its table, and how the kit's ordered queue finds its columns in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from contracts.member_events import headers_of
from kits.kafka.records import OutgoingRecord
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Item
from kits.ordered_queue.sql_store import SqlStore
from kits.postgres.identifiers import quoted
from kits.postgres.schema import metadata
from kits.schemas.known_schemas import known_schema_table

event_tables = metadata()

member_event = Table(
    "member_event",
    event_tables,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("key", Text, nullable=False),
    Column("number", Integer),
    Column("payload", LargeBinary, nullable=False),
    Column("payload_size", Integer, nullable=False),
    Column("topic", Text, nullable=False),
    Column("member_id", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("done_at", DateTime(timezone=True)),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("token", Uuid(as_uuid=False)),
    Column("claim", BigInteger, nullable=False, server_default="0"),
    Column("lease_until", DateTime(timezone=True)),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("dead_at", DateTime(timezone=True)),
    Column("given_up_at", DateTime(timezone=True)),
    Column("replayed_at", DateTime(timezone=True)),
    Column("was_number", Integer),
    Index("uq_member_event_key_number", "key", "number", unique=True),
    Index(
        "ix_member_event_waiting",
        "due_at",
        "id",
        postgresql_where=text("done_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL"),
    ),
    Index(
        "ix_member_event_dead",
        "id",
        postgresql_where=text("dead_at IS NOT NULL AND done_at IS NULL AND given_up_at IS NULL"),
    ),
)
"""One row per event; its key is `v1:{member id}` or `v2:{member id}`, its number the member's version."""


known_schema = known_schema_table(event_tables, "member")
"""Under which ids of a registry events may be written as Avro."""


def member_queue(schema: str) -> QueueTable:
    """The queue whose table lies in this schema.

    A number may be missing: version 1 was not told for a while, or retention took it. Both count as done.
    """
    return QueueTable(
        f"{quoted(schema)}.member_event",
        born_at="q.changed_at",
        extra={
            "topic": "text",
            "member_id": "text",
            "changed_at": "timestamptz",
            "traceparent": "text",
        },
        written={"partition": "integer", "offset": "bigint"},
        settled={"last_error": "sent.code || ': ' || sent.reason"},
        closed="q.done_at IS NOT NULL",
    )


class MemberItem(Item, gc=False, kw_only=True):
    """An event on its way to Kafka, with everything that its row has."""

    topic: str
    member_id: str
    changed_at: datetime
    traceparent: str

    def record(self) -> OutgoingRecord:
        """See kits.outbox.kafka_sink.RecordItem."""
        headers = headers_of(
            self.topic,
            self.id,
            self.member_id,
            changed_at=self.changed_at,
            traceparent=self.traceparent,
        )
        return OutgoingRecord(self.topic, self.member_id.encode(), self.payload, headers)

    def names(self) -> dict[str, Any]:
        """See kits.outbox.kafka_sink.RecordItem."""
        return {"member_id": self.member_id, "event_id": self.id, "version": self.number}


class MemberEventStore(SqlStore):
    """The outbox between transactions."""

    def item_of(self, row: Mapping[str, Any]) -> MemberItem:
        """See SqlStore."""
        return MemberItem(
            str(row["id"]),
            row["key"],
            row["number"],
            row["payload"],
            row["attempts"],
            topic=row["topic"],
            member_id=row["member_id"],
            changed_at=row["changed_at"],
            traceparent=row["traceparent"],
        )
