"""Outbox kit: a table of events that tell versions of something, and how its queue finds its columns."""

from collections.abc import Mapping

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from kits.ordered_queue.columns import QueueTable
from kits.postgres.identifiers import quoted

_NOT_OVER = "done_at IS NULL AND given_up_at IS NULL"


def event_table(name: str, metadata: MetaData, *own: Column[str]) -> Table:
    """One row per event, with the owner's `own` columns; its number is the version that it tells.

    Its owner's migration makes it, with the indexes.
    """
    return Table(
        name,
        metadata,
        Column("id", Uuid(as_uuid=False), primary_key=True),
        Column("key", Text, nullable=False),
        Column("number", Integer),
        Column("payload", LargeBinary, nullable=False),
        Column("payload_size", Integer, nullable=False),
        Column("topic", Text, nullable=False),
        *own,
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
        Index(f"uq_{name}_key_number", "key", "number", unique=True),
        Index(
            f"ix_{name}_waiting", "due_at", "id", postgresql_where=text(f"{_NOT_OVER} AND dead_at IS NULL")
        ),
        Index(f"ix_{name}_dead", "id", postgresql_where=text(f"{_NOT_OVER} AND dead_at IS NOT NULL")),
    )


def event_queue(name: str, schema: str, own: Mapping[str, str] | None = None) -> QueueTable:
    """The queue whose event_table() of this name lies in this schema; `own`: its own columns and their types.

    A number may be missing: it was not told, or retention took it. Both count as done.
    """
    return QueueTable(
        f"{quoted(schema)}.{quoted(name)}",
        born_at="q.changed_at",
        extra={"topic": "text", **(own or {}), "changed_at": "timestamptz", "traceparent": "text"},
        written={"partition": "integer", "offset": "bigint"},
        settled={"last_error": "sent.code || ': ' || sent.reason"},
        closed="q.done_at IS NOT NULL",
    )
