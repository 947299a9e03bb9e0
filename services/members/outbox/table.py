"""Outbox: its table, and how the kit's ordered queue finds its columns in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Text

from contracts.member_events import headers_of
from kits.kafka.records import OutgoingRecord
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Item
from kits.ordered_queue.sql_store import SqlStore
from kits.outbox.event_table import event_queue, event_table
from kits.postgres.schema import metadata
from kits.schemas.known_schemas import known_schema_table

event_tables = metadata()

member_event = event_table("member_event", event_tables, Column("member_id", Text, nullable=False))
"""One row per event; its key is `v1:{member id}` or `v2:{member id}`, its number the member's version."""


known_schema = known_schema_table(event_tables, "member")
"""Under which ids of a registry events may be written as Avro."""


def member_queue(schema: str) -> QueueTable:
    """The queue whose table lies in this schema."""
    return event_queue("member_event", schema, {"member_id": "text"})


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
