"""Orders go on while the pipeline runs; the data platform learns every step in order."""

import asyncio
from collections import Counter
from itertools import cycle

import aiohttp
import asyncpg

from kits.web.tokens.verifier import issue_token
from tests.e2e.pipeline import Pipeline
from tests.waiting import eventually, patient

LIVES = (("payment", "fulfilment"), ("cancellation",), ("payment",), ())
# The life that no customer asks for is that of the orders whose time runs out.
ENDS = {"FULFILLED", "CANCELLED", "PAID", "EXPIRED"}


async def live(
    pipeline: Pipeline, session: aiohttp.ClientSession, number: int, steps: tuple[str, ...]
) -> None:
    """Place an order and take it through these steps, as its customer and as the staff."""
    order_id = await pipeline.order(number, session)
    customer = a_token(pipeline, f"c-{number % 7}", "orders:fulfil")
    address = f"{pipeline.api_url}/orders/{order_id}"
    async with session.get(address, headers=customer) as answer:
        total = (await answer.json())["total"]
    for step in steps:
        paying = step == "payment"
        headers = a_token(pipeline, "psp-1", "orders:pay") if paying else customer
        body = {"reference": order_id, "amount": total, "currency": "KRW"} if paying else None
        async with session.post(f"{address}/{step}", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
        if paying and number % 8 < 4:
            second = {**(body or {}), "reference": f"{order_id}-again"}
            async with session.post(f"{address}/{step}", json=second, headers=headers) as answer:
                assert answer.status == 409, await answer.text()


def a_token(pipeline: Pipeline, sub: str, scope: str) -> dict[str, str]:
    """The header of somebody who may do this."""
    token = issue_token(pipeline.secret, sub, issuer="order-pipeline", audience="orders", scopes=[scope])
    return {"Authorization": f"Bearer {token}"}


async def time_is_over(pipeline: Pipeline) -> None:
    """For the orders that nobody has paid or cancelled."""
    connection = await asyncpg.connect(pipeline.database_url)
    try:
        await connection.execute("UPDATE orders SET expires_at = clock_timestamp() WHERE status = 'PENDING'")
    finally:
        await connection.close()


async def test_whole_lives_of_orders_reach_the_platform_in_order_also_through_an_outage_of_kafka(
    pipeline: Pipeline,
) -> None:
    """Paid, fulfilled, cancelled, expired: nothing is lost, seqs arrive as 1, 2, 3, and stock adds up.

    Some are paid twice: the second payment is refused, and that arrives too.
    """
    await pipeline.start_all()
    lives = cycle(LIVES)
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(live(pipeline, session, number, next(lives)) for number in range(20)))
        pipeline.kafka.kill()
        await asyncio.gather(*(live(pipeline, session, number, next(lives)) for number in range(20, 40)))
        pipeline.kafka.start(patient(60))
    await time_is_over(pipeline)

    async def every_order_has_come_to_its_end() -> bool:
        found = Counter(order.status for order in (await pipeline.evidence()).orders)
        return found == dict.fromkeys(ENDS, 10)

    await eventually(every_order_has_come_to_its_end, poll_seconds=0.5)
    await pipeline.everything_arrived()
    await pipeline.promises_are_kept()
    arrivals = Counter(event.order_id for event in (await pipeline.evidence()).arrivals)
    assert min(arrivals.values()) == 2
