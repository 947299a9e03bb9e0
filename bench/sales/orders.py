"""Orders for the stream: events as the shop writes them, and what is made of them, as a reader sees it."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aiokafka import AIOKafkaProducer

from contracts.envelope import EventMessage, headers_of
from contracts.order_events import ORDER_CREATED, OrderCreatedV1, OrderItemV1, PlacedOrderV1, message_of
from contracts.sales import read_sales
from contracts.topics import ORDER_EVENTS
from kits.kafka.log_reader import LogReader
from kits.kafka.records import TopicPartition
from kits.wire_time import wire_time

_START = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
_MINUTES = 24 * 60
_BATCH = 2_000


async def write_orders(servers: str, topic: str, count: int, *, seed: int) -> None:
    """So many created orders, over the minutes of a day."""
    chance = random.Random(seed)  # noqa: S311 - the same orders for the same seed
    producer = AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5, max_batch_size=262_144)
    await producer.start()
    try:
        for begin in range(0, count, _BATCH):
            sent = []
            for _ in range(min(_BATCH, count - begin)):
                message = _created(chance)
                headers = list(headers_of(message))
                sent.append(await producer.send(topic, message.payload, message.key, headers=headers))
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _created(chance: random.Random) -> EventMessage:
    order_id, event_id = (str(UUID(int=chance.getrandbits(128), version=4)) for _ in range(2))
    at = _START + timedelta(seconds=chance.randrange(_MINUTES * 60))
    price, quantity = chance.randint(100, 60_000), chance.randint(1, 4)
    total = price * quantity
    item = OrderItemV1(product_id="p-1", name="Product p-1", unit_price=price, quantity=quantity)
    order = PlacedOrderV1(
        customer_id="c-1", status="PENDING", currency="KRW", subtotal=total, discount=0, total=total,
        coupon_code=None, items=[item],
    )  # fmt: skip
    event = OrderCreatedV1(
        event_id=event_id, event_type=ORDER_CREATED, event_version=1, order_id=order_id, seq=1,
        occurred_at=wire_time(at), order=order,
    )  # fmt: skip
    return message_of(event, topic=ORDER_EVENTS, occurred_at=at)


class Told:
    """How many orders the committed totals of a topic tell; each look reads what is new."""

    def __init__(self, reader: LogReader, topic: str) -> None:
        self._reader = reader
        self._topic = topic
        self._offsets: dict[TopicPartition, int] = {}
        self._orders: dict[str, int] = {}

    async def orders(self) -> int:
        """Of all minutes together, now."""
        for at, (start, end) in (await self._reader.bounds(self._topic)).items():
            offset = self._offsets.get(at, start)
            while offset < end:
                piece = await self._reader.piece(at, offset, 20_000)
                for record in piece.records:
                    sales = read_sales(record.key, record.value)
                    self._orders[sales.key] = sales.orders
                offset = piece.next_offset
            self._offsets[at] = offset
        return sum(self._orders.values())
