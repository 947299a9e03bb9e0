"""The checker's eyes: reads what is left in database, topics, inbox and receiver after a run."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from chaos.findings import Event, Evidence, OrderRow, PaymentRow
from contracts.topics import DATA_PLATFORM_DLQ, ORDER_EVENTS, ORDER_EVENTS_PARTITIONS
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import body_of, schema_id_of

_READ_SECONDS = 30.0
_PAGE = 5000
_LOOK_SECONDS = 0.2
_ORDERS = """\
SELECT id, status, version, coupon_code, lines,
       status = 'PENDING' AND expires_at < clock_timestamp() - interval '1 minute' AS overdue
  FROM orders"""
_OUTBOX = """\
SELECT event_id, aggregate_id, seq, event_type, payload, published_at
  FROM outbox_event WHERE abandoned_at IS NULL ORDER BY event_id"""
_INBOX = """\
SELECT event_id, CASE WHEN delivered_at IS NOT NULL THEN 'delivered'
                      WHEN given_up_at IS NOT NULL THEN 'skipped'
                      WHEN dead_at IS NOT NULL THEN 'dead'
                      WHEN last_failed_at IS NOT NULL THEN 'retrying' ELSE 'held' END
  FROM delivery.inbox_event"""
_PAYMENTS = """\
SELECT reference, order_id::text, amount, total, outcome = 'accepted', payments.version
  FROM payments JOIN orders ON orders.id = payments.order_id"""
_CUSTOMER_USES = """\
SELECT coupon_code, max(uses)
  FROM (SELECT coupon_code, count(*) AS uses FROM coupon_uses GROUP BY coupon_code, customer_id) AS counted
 GROUP BY coupon_code"""


async def collect(
    *,
    database_url: str,
    kafka_bootstrap_servers: str,
    data_platform_url: str,
    accepted: set[str],
    initial_stock: Mapping[str, int],
    statuses: Mapping[str, str] | None = None,
    keys: Mapping[str, set[str]] | None = None,
    payments_told: Mapping[str, bool] | None = None,
    within_seconds: float = _READ_SECONDS,
) -> Evidence:
    """Read everything; the pipeline should be at rest.

    Args:
        accepted: orders that were answered 202; `statuses`: the last status that a client was told of each.
        keys: every Idempotency-Key that was sent, with its answers; only if every request had one.
        payments_told: by reference, whether a payment was answered as accepted or as refused.

    Raises:
        TimeoutError: a part did not answer within `within_seconds`.
    """
    evidence = Evidence(
        accepted=accepted,
        initial_stock=dict(initial_stock),
        statuses=dict(statuses or {}),
        keys=dict(keys or {}),
        payments_told=dict(payments_told or {}),
    )
    async with asyncio.timeout(within_seconds):
        await _read_database(database_url, evidence)
        schemas = await _read_schemas(database_url)
        evidence.topic = await _read_topic(kafka_bootstrap_servers, ORDER_EVENTS, schemas)
        evidence.dead_letters = await _read_topic(kafka_bootstrap_servers, DATA_PLATFORM_DLQ, schemas)
        evidence.arrivals = await _read_arrivals(data_platform_url)
    return evidence


async def _read_database(url: str, evidence: Evidence) -> None:
    connection = await asyncpg.connect(url)
    try:
        await _read_orders(connection, evidence)
        for row in await connection.fetch(_OUTBOX):
            digest = _digest(json.loads(row["payload"]))
            named = {"digest": digest, "event_type": row["event_type"]}
            evidence.outbox.append(Event(str(row["event_id"]), row["aggregate_id"], row["seq"], **named))
            if row["published_at"] is None:
                evidence.unpublished.add(str(row["event_id"]))
        evidence.inbox = dict(await connection.fetch(_INBOX))
        await _read_conserved(connection, evidence)
    finally:
        await connection.close()


async def _read_orders(connection: Any, evidence: Evidence) -> None:
    for row in await connection.fetch(_ORDERS):
        pieces = Counter({line["product_id"]: line["quantity"] for line in json.loads(row["lines"])})
        evidence.orders.append(
            OrderRow(
                str(row["id"]),
                row["status"],
                row["version"],
                row["coupon_code"],
                dict(pieces),
                overdue=row["overdue"],
            )
        )
    evidence.payments = [PaymentRow(*row) for row in await connection.fetch(_PAYMENTS)]
    evidence.key_owners = dict(await connection.fetch("SELECT key, order_id::text FROM idempotency_keys"))


async def _read_conserved(connection: Any, evidence: Evidence) -> None:
    evidence.stock = dict(await connection.fetch("SELECT id, stock FROM products"))
    evidence.coupon_used = dict(await connection.fetch("SELECT code, used FROM coupons"))
    evidence.coupon_uses = dict(
        await connection.fetch("SELECT coupon_code, count(*) FROM coupon_uses GROUP BY coupon_code")
    )
    evidence.coupon_customer_uses = dict(await connection.fetch(_CUSTOMER_USES))
    for code, total, customer in await connection.fetch(
        "SELECT code, total_limit, customer_limit FROM coupons"
    ):
        if total is not None:
            evidence.coupon_limits[code] = total
        if customer is not None:
            evidence.coupon_customer_limits[code] = customer


async def _read_schemas(url: str) -> dict[int, AvroSchema]:
    """What Avro events were written with, by the ids in their frames."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT id, definition FROM outbox_known_schema")
        return {row["id"]: AvroSchema(json.loads(row["definition"])) for row in rows}
    finally:
        await connection.close()


async def _read_topic(bootstrap_servers: str, topic: str, schemas: Mapping[int, AvroSchema]) -> list[Event]:
    """Everything that is in it; nothing if there is no such topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        if topic not in await consumer.topics():
            return []
        # Named, not found out: right after its start the client may not know all of them yet.
        partitions = [TopicPartition(topic, number) for number in range(ORDER_EVENTS_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        events: list[Event] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=int(_LOOK_SECONDS * 1000))).values():
                events += [_event_of(dict(each.headers), _json_of(each.value, schemas)) for each in records]
        return events
    finally:
        await consumer.stop()


def _json_of(value: bytes, schemas: Mapping[int, AvroSchema]) -> bytes:
    schema_id = schema_id_of(value)
    return value if schema_id is None else schemas[schema_id].decode(body_of(value))


def _event_of(headers: dict[str, bytes], value: bytes) -> Event:
    digest = _digest(json.loads(value))
    return Event(
        headers["ce_id"].decode(), headers["ce_subject"].decode(), int(headers["order_seq"]), digest=digest
    )


async def _read_arrivals(url: str) -> list[Event]:
    arrivals: list[Event] = []
    after: int | None = 0
    async with aiohttp.ClientSession() as session:
        while after is not None:
            parameters = {"after": str(after), "limit": str(_PAGE)}
            async with session.get(f"{url}/received", params=parameters) as answer:
                page = await answer.json()
            arrivals += [
                Event(
                    each["eventId"],
                    each["orderId"],
                    each["seq"],
                    digest=_digest(each["event"]),
                    event_type=each["event"]["eventType"],
                )
                for each in page["arrivals"]
            ]
            after = page["next"]
    return arrivals


def _digest(content: Any) -> str:
    """The same for the same JSON value, however it was written."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=16).hexdigest()
