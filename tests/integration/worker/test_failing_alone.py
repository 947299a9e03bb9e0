"""Events that fail alone, on real servers: they wait in the inbox, resume by time, and die at last."""

from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import an_order
from tests.waiting import eventually

_DUE = "UPDATE delivery.inbox_event SET due_at = clock_timestamp() WHERE last_failed_at IS NOT NULL"
_OLD = (
    "UPDATE delivery.inbox_event SET attempts = 4, due_at = clock_timestamp(),"
    " first_failed_at = clock_timestamp() - interval '11 minutes' WHERE last_failed_at IS NOT NULL"
)


async def stands(pipeline: Pipeline, expected: dict[int, str]) -> None:
    """Wait until the bad order's events are these."""

    async def it_is() -> bool:
        return await pipeline.statuses("bad") == expected

    await eventually(it_is)


async def fails_alone(pipeline: Pipeline) -> None:
    """The bad order has failed and waits, its later event behind it; others go on."""
    await pipeline.platform.faults(failOrders={"orderIds": ["bad"], "status": 500})
    await pipeline.write([*an_order("bad", 2), *an_order("good-0", 2)])
    await stands(pipeline, {1: "failing", 2: "waiting"})
    await eventually(pipeline.committed_everything)


async def fails_again(pipeline: Pipeline, number: int) -> None:
    """Another order succeeds, and the bad one's time comes."""
    await pipeline.write(an_order(f"good-{number}", 1))

    async def has_come() -> bool:
        return bool(await pipeline.platform.seqs(f"good-{number}"))

    await eventually(has_come)
    await pipeline.execute(_DUE)


async def test_what_failed_alone_is_resumed_by_another_worker(pipeline: Pipeline) -> None:
    """Through a rebalance and the end of the worker that met it; then its events go in their order."""
    async with pipeline.worker():
        await fails_alone(pipeline)
        async with pipeline.worker():
            (row,) = await pipeline.rows(
                "SELECT * FROM delivery.inbox_event WHERE last_failed_at IS NOT NULL"
            )
            assert (row["attempts"], row["error_code"], row["dead_at"]) == (0, "http_500", None)
            assert row["due_at"] > row["received_at"]
    await pipeline.platform.faults()
    await pipeline.execute(_DUE)
    async with pipeline.worker():
        await pipeline.write(an_order("bad", 3, first_seq=3))
        await stands(pipeline, {1: "delivered", 2: "delivered", 3: "delivered"})
    assert await pipeline.platform.seqs("bad") == [1, 2, 3]
    assert not await pipeline.dead_letters()


async def test_an_attempt_is_spent_when_others_succeed_and_after_five_and_ten_minutes_it_dies(
    pipeline: Pipeline,
) -> None:
    """Copied with its history; its later events wait, also for the next worker."""
    async with pipeline.worker():
        await fails_alone(pipeline)
        attempts = [0]
        while attempts[-1] < 1:
            await fails_again(pipeline, len(attempts))
            ((spent,),) = await pipeline.rows("SELECT max(attempts) FROM delivery.inbox_event")
            attempts.append(spent)
        await pipeline.execute(_OLD)
        number = 100
        while (await pipeline.statuses("bad"))[1] != "dead":
            number += 1
            await fails_again(pipeline, number)
    async with pipeline.worker():
        await pipeline.write([*an_order("bad", 3, first_seq=3), *an_order("last", 1)])
        await stands(pipeline, {1: "dead", 2: "waiting", 3: "waiting"})

        async def is_copied() -> bool:
            return len(await pipeline.dead_letters()) == 1

        await eventually(is_copied)
    assert await pipeline.platform.seqs("bad") == []
    (copy,) = await pipeline.dead_letters()
    headers = dict(copy.headers)
    assert (headers["dlq_error_class"], headers["dlq_error_code"]) == (b"failing_alone", b"http_500")
    assert int(headers["dlq_attempts"]) >= 5
    assert headers["dlq_first_failed_at"] < headers["dlq_last_failed_at"]


async def test_a_short_storm_of_500s_spends_no_attempt(pipeline: Pipeline) -> None:
    """The whole platform answers so for a moment: the next success is no proof against the events."""
    await pipeline.platform.faults(status=500, forSeconds=0.4)
    await pipeline.write(event for number in range(20) for event in an_order(f"order-{number}", 2))
    async with pipeline.worker():
        await arrived(pipeline, 40)
        await pipeline.all_delivered(40)
    assert await pipeline.rows("SELECT max(attempts) FROM delivery.inbox_event") == [(0,)]


async def test_an_order_whose_beginning_is_gone_can_fail_too(pipeline: Pipeline) -> None:
    """Where it begins is settled when it is received."""
    await pipeline.write(an_order("warm-up", 1))
    async with pipeline.worker():
        await arrived(pipeline, 1)
        await eventually(pipeline.committed_everything)
    await pipeline.execute("UPDATE delivery.inbox_partition SET first_offset = 1")
    await pipeline.platform.faults(failOrders={"orderIds": ["bad"]})
    async with pipeline.worker():
        await pipeline.write(an_order("bad", 5, first_seq=4))
        await stands(pipeline, {4: "failing", 5: "waiting"})
        await pipeline.platform.faults()
        await pipeline.execute(_DUE)
        await stands(pipeline, {4: "delivered", 5: "delivered"})
    assert await pipeline.platform.seqs("bad") == [4, 5]
