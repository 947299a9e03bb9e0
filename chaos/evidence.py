"""The checker's eyes: reads what is left in database, topic, ledger and receiver after a run."""

import asyncio
import json
from collections import Counter

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from chaos.checker import Event, Evidence, OrderRow
from contracts.topics import ORDER_EVENTS, ORDER_EVENTS_PARTITIONS

_READ_SECONDS = 30.0
_PAGE = 5000


async def collect(
    *,
    database_url: str,
    kafka_bootstrap_servers: str,
    data_platform_url: str,
    accepted: set[str],
    initial_stock: dict[str, int],
) -> Evidence:
    """Read everything; the pipeline should be at rest.

    Raises:
        TimeoutError: a part did not answer within 30 s.
    """
    async with asyncio.timeout(_READ_SECONDS):
        evidence = Evidence(accepted=accepted, initial_stock=initial_stock)
        await _read_database(database_url, evidence)
        evidence.topic = await _read_topic(kafka_bootstrap_servers)
        evidence.arrivals = await _read_arrivals(data_platform_url)
    return evidence


async def _read_database(url: str, evidence: Evidence) -> None:
    connection = await asyncpg.connect(url)
    try:
        for row in await connection.fetch("SELECT id, status, version, coupon_code, lines FROM orders"):
            pieces = Counter({line["product_id"]: line["quantity"] for line in json.loads(row["lines"])})
            order = OrderRow(str(row["id"]), row["status"], row["version"], row["coupon_code"], dict(pieces))
            evidence.orders.append(order)
        for row in await connection.fetch(
            "SELECT event_id, aggregate_id, seq, published_at FROM outbox_event"
            " WHERE abandoned_at IS NULL ORDER BY event_id"
        ):
            evidence.outbox.append(Event(str(row["event_id"]), row["aggregate_id"], row["seq"]))
            if row["published_at"] is None:
                evidence.unpublished.add(str(row["event_id"]))
        statuses = await connection.fetch("SELECT event_id::text, status FROM delivery.delivery")
        evidence.ledger = {row["event_id"]: row["status"] for row in statuses}
        evidence.stock = dict(await connection.fetch("SELECT id, stock FROM products"))
        evidence.coupon_used = dict(await connection.fetch("SELECT code, used FROM coupons"))
        evidence.coupon_uses = dict(
            await connection.fetch("SELECT coupon_code, count(*) FROM coupon_uses GROUP BY coupon_code")
        )
    finally:
        await connection.close()


async def _read_topic(bootstrap_servers: str) -> list[Event]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await consumer.start()
    try:
        # Named, not found out: right after its start the client may not know all of them yet.
        partitions = [TopicPartition(ORDER_EVENTS, number) for number in range(ORDER_EVENTS_PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        events: list[Event] = []
        while any([await consumer.position(each) < ends[each] for each in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                events += [_event_of(dict(record.headers)) for record in records]
        return events
    finally:
        await consumer.stop()


def _event_of(headers: dict[str, bytes]) -> Event:
    return Event(headers["ce_id"].decode(), headers["ce_subject"].decode(), int(headers["order_seq"]))


async def _read_arrivals(url: str) -> list[Event]:
    arrivals: list[Event] = []
    after: int | None = 0
    async with aiohttp.ClientSession() as session:
        while after is not None:
            parameters = {"after": str(after), "limit": str(_PAGE)}
            async with session.get(f"{url}/received", params=parameters) as answer:
                page = await answer.json()
            arrivals += [Event(each["eventId"], each["orderId"], each["seq"]) for each in page["arrivals"]]
            after = page["next"]
    return arrivals
