"""Inbox: its tables. What a row waits for is asked of the rows themselves; there is no row per order."""

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
from sqlalchemy.dialects.postgresql import JSONB

from kits.postgres.schema import metadata
from kits.schemas.known_schemas import known_schema_table

SCHEMA = "delivery"
"""Where the tables are declared; an engine may find them elsewhere (WORKER_DATABASE_SCHEMA)."""
inbox = metadata(SCHEMA)

WAITING = text("delivered_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL")
DEAD = text("dead_at IS NOT NULL AND delivered_at IS NULL AND given_up_at IS NULL")
TO_COPY = text("(dead_at IS NOT NULL OR redriven_at IS NOT NULL) AND dlq_copied_at IS NULL")
_NOW = text("clock_timestamp()")

inbox_event = Table(
    "inbox_event",
    inbox,
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("consumer_group", Text, primary_key=True),
    Column("order_id", Text(collation="C")),
    Column("seq", BigInteger),
    Column("was_seq", BigInteger),
    Column("is_first", Boolean, nullable=False, server_default=text("false")),
    Column("event_type", Text, nullable=False, server_default=""),
    Column("payload", LargeBinary),
    Column("payload_size", Integer, nullable=False, server_default="0"),
    Column("topic", Text, nullable=False),
    Column("topic_id", Uuid(as_uuid=False)),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("record_key", LargeBinary),
    Column("headers", LargeBinary),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("token", Uuid(as_uuid=False)),
    Column("claim", Integer, nullable=False, server_default="0"),
    Column("lease_until", DateTime(timezone=True)),
    Column("delivered_at", DateTime(timezone=True)),
    Column("dead_at", DateTime(timezone=True)),
    Column("given_up_at", DateTime(timezone=True)),
    Column("replayed_at", DateTime(timezone=True)),
    Column("redriven_at", DateTime(timezone=True)),
    Column("notice_of", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("error_class", Text),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("first_failed_at", DateTime(timezone=True)),
    Column("last_failed_at", DateTime(timezone=True)),
    Column("last_began_at", DateTime(timezone=True)),
    Column("dlq_due_at", DateTime(timezone=True)),
    Column("dlq_copied_at", DateTime(timezone=True)),
    Index("uq_inbox_event_order_seq", "order_id", "seq", "consumer_group", unique=True),
    Index("ix_inbox_event_waiting", "consumer_group", "due_at", "event_id", postgresql_where=WAITING),
    Index("ix_inbox_event_dead", "consumer_group", "dead_at", "event_id", postgresql_where=DEAD),
    Index("ix_inbox_event_to_copy", "consumer_group", "order_id", "event_id", postgresql_where=TO_COPY),
)
"""One row per event and group.

`seq` is the number that the row holds: NULL once it was handed to a notice (`was_seq` stays), and for what
belongs to no order. `last_began_at` is when its last failed call began. Payload, record key and headers go
when it is delivered and waits for no copy; the topic has them until its retention. `notice_of` is the event
whose number this row took over, '' where nobody saw one: a notice was never in the topic, so its bytes stay.
`dlq_due_at`: until then a process copies it to the dead-letter topic, or it is not tried again.
"""

inbox_partition = Table(
    "inbox_partition",
    inbox,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("topic_id", Uuid(as_uuid=False)),
    Column("next_offset", BigInteger, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("moved_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)
"""Where a group goes on reading: the truth, moved in the transaction that stores what was read.

`first_offset` is where the log began when the group first saw it; `topic_id` NULL: moved from an older build.
"""

inbox_group = Table(
    "inbox_group",
    inbox,
    Column("consumer_group", Text, primary_key=True),
    Column("success_began_at", DateTime(timezone=True)),
    Column("opened_at", DateTime(timezone=True)),
    Column("judged", BigInteger, nullable=False, server_default="0"),
    Column("deaths", ARRAY(BigInteger), nullable=False, server_default="{}"),
    Column("tripped_at", DateTime(timezone=True)),
    Column("trip", JSONB),
)
"""What all workers of a group share.

`success_began_at` and `opened_at`: when the call of the latest success began, and when the breaker last
opened. `judged` counts ends, `deaths` has the counts at which one died. `tripped_at`: the dead-letter limit
stands; `trip` has the tally by class, code and reason, and three ids.
"""

inbox_audit = Table(
    "inbox_audit",
    inbox,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("consumer_group", Text, nullable=False),
    Column("order_id", Text),
    Column("event_id", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("detail", Text, nullable=False, server_default=""),
    Index("ix_inbox_audit_at", "consumer_group", "at"),
)
"""What operators did: who, when and why; written in the transaction of the action."""

known_schema = known_schema_table(inbox, "inbox")
"""The schemas that records were written with, as a registry told them."""
