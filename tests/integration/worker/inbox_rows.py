"""Rows of an inbox as a test wants them, written beside the product."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from tests.unit.worker.events import Sample

GROUP = "data-platform"
TOPIC = "order-events"
NOW = datetime.now(UTC)


class InboxRows:
    """One database with an inbox; `put` writes an event in some state, `rows` reads what became of it."""

    def __init__(self, database: str) -> None:
        self.database = database
        self._offset = 0

    async def ask(self, query: str, *values: Any) -> list[Any]:
        """Ask the database, or change it."""
        connection = await asyncpg.connect(self.database)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def put(self, order_id: str | None, seq: int | None, state: str = "waiting", **columns: Any) -> str:
        """One event, an hour old; its id."""
        self._offset += 1
        event_id = str(uuid.uuid4())
        sample = Sample(order_id or "?", seq or 1, event_id)
        hour_ago = NOW - timedelta(hours=1)
        row: dict[str, Any] = {
            "consumer_group": GROUP, "event_id": event_id, "order_id": order_id, "seq": seq,
            "is_first": seq == 1, "event_type": "order.created", "topic": TOPIC, "topic_id": uuid.UUID(int=1),
            "partition": 0, "offset": self._offset, "record_key": (order_id or "?").encode(),
            "payload": sample.payload, "payload_size": len(sample.payload or b""),
            "headers": msgspec.json.encode(sample.header_items), "received_at": hour_ago, "due_at": hour_ago,
        }  # fmt: skip
        match state:
            case "dead":
                row |= {"dead_at": hour_ago, "claim": 1, "attempts": 1, "error_class": "rejected",
                        "error_code": "422", "error_message": "no such field",
                        "first_failed_at": hour_ago, "last_failed_at": hour_ago}  # fmt: skip
            case "retrying":
                row |= {"claim": 1, "attempts": 2, "error_class": "failing_alone", "error_code": "timeout",
                        "error_message": "no answer", "first_failed_at": hour_ago,
                        "last_failed_at": NOW}  # fmt: skip
            case "done":
                row |= {"claim": 1, "delivered_at": hour_ago, "payload": None, "headers": None,
                        "record_key": None}  # fmt: skip
            case "given_up":
                row |= {"given_up_at": hour_ago}
        row |= columns
        names = ", ".join(f'"{name}"' for name in row)
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await self.ask(f"INSERT INTO delivery.inbox_event ({names}) VALUES ({places})", *row.values())  # noqa: S608
        return str(row["event_id"])

    async def order(self, order_id: str) -> dict[int, str]:
        """How each number of an order stands."""
        query = """
            SELECT seq, CASE WHEN delivered_at IS NOT NULL THEN 'done'
                             WHEN given_up_at IS NOT NULL THEN 'given_up' WHEN dead_at IS NOT NULL THEN 'dead'
                             WHEN notice_of IS NOT NULL THEN 'notice' ELSE 'waiting' END AS state
              FROM delivery.inbox_event WHERE order_id = $1 AND seq IS NOT NULL ORDER BY seq"""
        return {row["seq"]: row["state"] for row in await self.ask(query, order_id)}

    async def audit(self) -> list[tuple[Any, ...]]:
        """What was noted: action, order, event, reason."""
        query = "SELECT action, order_id, event_id, reason FROM delivery.inbox_audit ORDER BY id"
        return [tuple(row) for row in await self.ask(query)]
