"""Outbox of auth: how the event of a version is born, in its own transaction; kits/outbox does the rest."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from conduit.auth.ports import Account
from conduit.auth.service import described
from conduit.contracts.users import USER_CHANGED
from kits.kafka.admin import TopicSpec
from kits.kafka.records import OutgoingRecord
from kits.observability.traces import TRACEPARENT, current_traceparent
from kits.ordered_queue.actions import Actions
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Item
from kits.ordered_queue.sql_store import Enqueue, SqlStore
from kits.outbox.event_table import event_queue, event_table
from kits.outbox.recording import Recording
from kits.postgres.driver import DriverConnection
from kits.postgres.schema import metadata
from kits.rpc.topics import event_spec

event_tables = metadata()

user_event = event_table("user_event", event_tables)
"""One row per event; its key is the user's id, its number the user's version."""
_encoder = msgspec.json.Encoder()


def user_queue(schema: str) -> QueueTable:
    """The queue whose table lies in this schema."""
    return event_queue("user_event", schema)


def user_topics() -> list[TopicSpec]:
    """What the outbox writes to."""
    return [event_spec(USER_CHANGED.topic)]


class UserItem(Item, gc=False, kw_only=True):
    """An event on its way to Kafka, with everything that its row has."""

    topic: str
    changed_at: datetime
    traceparent: str

    def record(self) -> OutgoingRecord:
        """See kits.outbox.kafka_sink.RecordItem."""
        headers = ((TRACEPARENT, self.traceparent.encode()),) if self.traceparent else ()
        return OutgoingRecord(self.topic, self.key.encode(), self.payload, headers)

    def names(self) -> dict[str, Any]:
        """See kits.outbox.kafka_sink.RecordItem."""
        return {"user_id": self.key, "event_id": self.id, "version": self.number}


class UserEventStore(SqlStore):
    """The outbox between transactions."""

    def item_of(self, row: Mapping[str, Any]) -> UserItem:
        """See SqlStore."""
        return UserItem(
            str(row["id"]),
            row["key"],
            row["number"],
            row["payload"],
            row["attempts"],
            topic=row["topic"],
            changed_at=row["changed_at"],
            traceparent=row["traceparent"],
        )


class UserOutbox(Recording):
    """ports.Outbox. Events belong to the trace of the request that is being answered."""

    def __init__(
        self, connection: DriverConnection, enqueue: Enqueue, *, actions: Actions, claimed: bool
    ) -> None:
        """Args: claimed: whether events are born claimed, for the queue of this process."""
        super().__init__(connection, enqueue)
        self._actions = actions
        self._claimed = claimed

    async def add(self, account: Account) -> None:
        """See Outbox.

        Raises:
            OutboxConflictError: the outbox has another event of this version; roll back.
        """
        item = _item_of(account, current_traceparent.get())
        await self.record([item], [item], claimed=self._claimed)

    async def repeat(self, accounts: Sequence[Account]) -> int:
        """See Outbox and Recording.record_again."""
        return await self.record_again([_item_of(each, "") for each in accounts], self._actions)


def _item_of(account: Account, traceparent: str) -> UserItem:
    """The same id and bytes whenever it is made."""
    topic = USER_CHANGED.topic
    return UserItem(
        str(uuid5(NAMESPACE_URL, f"{topic}/{account.id}/{account.version}")),
        account.id,
        account.version,
        _encoder.encode(described(account)),
        topic=topic,
        changed_at=account.changed_at,
        traceparent=traceparent,
    )
