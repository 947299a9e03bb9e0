"""Whatever dies in the middle, every order counts once: compared with SQL over the orders."""

import random
import shutil
from datetime import timedelta

from sqlalchemy import text

from kits.postgres.migrations import History
from services.sales.container import VerifyContainer
from tests.sale_events import START, Placed, counted, generated
from tests.sales.harness import Streams, container_of, produce, shown
from tests.waiting import eventually

COUNT = 3_000
_INSERT = """
INSERT INTO orders (id, customer_id, status, version, currency, subtotal, discount, total, lines,
    created_at, expires_at)
SELECT id, 'c-1', 'PENDING', 1, currency, price * quantity, 0, price * quantity,
    jsonb_build_array(jsonb_build_object(
        'product_id', 'p-1', 'name', 'Product', 'unit_price', price, 'quantity', quantity)),
    at, at + interval '15 minutes'
FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[]), CAST(:currencies AS text[]),
    CAST(:quantities AS bigint[]), CAST(:prices AS bigint[])) AS placed (id, at, currency, quantity, price)
"""


async def test_killed_processes_without_their_state_end_at_what_the_orders_say(
    stream: Streams, empty_database_url: str
) -> None:
    """Two processes share the partitions; one is killed in mid-stream with its state, and begins anew."""
    orders = generated(COUNT, seed=7, currencies=("KRW", "EUR", "USD"))
    chance = random.Random(7)  # noqa: S311 - the same repeats every time
    events = [event for order in orders for event in (order.created(), order.paid())]
    # Repeats come late, as those of an outbox do whose process has died.
    events += chance.sample(events, COUNT // 20)
    for name in ("one", "two"):
        stream.start(name, SALES_STREAM_INSTANCE_ID=name)
    await produce(stream.kafka_servers, stream.build.source, events[: len(events) // 2])

    async def are_in_the_middle() -> bool:
        return min([await stream.number(name, "sales_stream_records_total") for name in ("one", "two")]) > 100

    await eventually(are_in_the_middle, poll_seconds=0.05)
    stream.kill("one")
    shutil.rmtree(stream.state_dir("one"))
    stream.start("one", SALES_STREAM_INSTANCE_ID="one")
    await produce(stream.kafka_servers, stream.build.source, events[len(events) // 2 :])

    async def is_told() -> bool:
        return await stream.told() == counted(orders)

    await eventually(is_told, within_seconds=120, poll_seconds=0.5)
    assert await stream.large_orders() == sorted(each.order_id for each in orders if each.total > 100_000)
    for name in ("one", "two"):
        assert await stream.stop(name), stream.processes[name].last_lines()
    await the_table_agrees_with_the_orders(stream, empty_database_url, orders)


async def the_table_agrees_with_the_orders(stream: Streams, database_url: str, orders: list[Placed]) -> None:
    """The shop's own table is the truth; an order that is missing there is found."""
    container = container_of(stream, database_url)
    engine = container.engine()
    await container.history().migrate(engine)
    await History("app").migrate(engine)
    async with engine.begin() as connection:
        ids, times, currencies, quantities, prices = map(list, zip(*orders, strict=True))
        values = {
            "ids": ids,
            "times": times,
            "currencies": currencies,
            "quantities": quantities,
            "prices": prices,
        }
        await connection.execute(text(_INSERT), values)
    await container.lifecycle().start()

    async def is_shown() -> bool:
        return await shown(container) == counted(orders)

    await eventually(is_shown, poll_seconds=0.2)
    verification = VerifyContainer(settings=container.settings()).verification()
    span = START, START + timedelta(minutes=10)
    assert await verification.run(*span) == (len(counted(orders)), len(orders), [])
    async with engine.begin() as connection:
        await connection.execute(
            text("DELETE FROM orders WHERE id = CAST(:id AS uuid)"), {"id": orders[0].order_id}
        )
    (found,) = (await verification.run(*span)).differences
    assert (found.currency, found.table[0]) == (orders[0].currency, found.orders[0] + 1)
    await container.lifecycle().stop()
