"""Orders that fail alone, on real servers: parked in the ledger, resumed by time, dead after a long while."""

from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import an_order
from tests.waiting import eventually

_DUE = "UPDATE delivery.delivery SET next_attempt_at = clock_timestamp() WHERE status = 'retrying'"
_OLD = (
    "UPDATE delivery.delivery SET attempts = 5, first_failed_at = clock_timestamp() - interval '11 minutes',"
    " next_attempt_at = clock_timestamp() WHERE status = 'retrying'"
)


async def parked(pipeline: Pipeline) -> None:
    """The bad order waits in the ledger, its later event behind it, and no offset waits for either."""

    async def is_parked() -> bool:
        return await pipeline.statuses("bad") == {1: "retrying", 2: "held"}

    await pipeline.platform.faults(failOrders={"orderIds": ["bad"], "status": 500})
    await pipeline.write([*an_order("bad", 2), *an_order("good-0", 2)])
    number = 0
    while not await is_parked():
        number += 1
        await pipeline.write(an_order(f"good-{number}", 1))
    await eventually(pipeline.committed_everything)


async def test_a_parked_order_releases_its_offset_and_is_resumed_by_another_worker(
    pipeline: Pipeline,
) -> None:
    """Through a rebalance and the end of the worker that has parked it; then its events go in their order."""
    async with pipeline.worker():
        await parked(pipeline)
        async with pipeline.worker():
            (row,) = await pipeline.rows("SELECT * FROM delivery.delivery WHERE status = 'retrying'")
            assert row["payload"] is not None
            assert row["next_attempt_at"] is not None
            assert (row["error_class"], row["error_code"]) == ("failing_alone", "http_500")
    await pipeline.platform.faults()
    await pipeline.execute(_DUE)
    async with pipeline.worker():
        await pipeline.write(an_order("bad", 3, first_seq=3))

        async def all_went() -> bool:
            return await pipeline.statuses("bad") == {1: "delivered", 2: "delivered", 3: "delivered"}

        await eventually(all_went)
    assert await pipeline.platform.seqs("bad") == [1, 2, 3]
    (order,) = await pipeline.rows("SELECT * FROM delivery.delivery_order WHERE order_id = 'bad'")
    assert (order["last_seq"], order["blocked"]) == (3, None)
    (row,) = await pipeline.rows("SELECT * FROM delivery.delivery WHERE order_id = 'bad' AND seq = 1")
    assert (row["payload"], row["next_attempt_at"], row["error_class"]) == (None, None, None)
    assert not await pipeline.dead_letters()


async def test_after_five_attempts_and_ten_minutes_it_is_a_dead_letter(pipeline: Pipeline) -> None:
    """Copied with its history; its later events are held, and stay so for the next worker."""
    async with pipeline.worker():
        await parked(pipeline)
        await pipeline.execute(_OLD)

        async def is_dead() -> bool:
            return (await pipeline.statuses("bad"))[1] == "dead"

        await eventually(is_dead)
    async with pipeline.worker():
        await pipeline.write([*an_order("bad", 3, first_seq=3), *an_order("good-0", 3, first_seq=3)])
        await eventually(pipeline.committed_everything)
    assert await pipeline.statuses("bad") == {1: "dead", 2: "held", 3: "held"}
    assert await pipeline.platform.seqs("bad") == []
    (copy,) = await pipeline.dead_letters()
    headers = dict(copy.headers)
    assert (headers["dlq_error_class"], headers["dlq_error_code"]) == (b"failing_alone", b"http_500")
    assert int(headers["dlq_attempts"]) >= 5
    assert headers["dlq_first_failed_at"] < headers["dlq_last_failed_at"]


async def test_an_order_whose_beginning_is_gone_can_be_parked_too(pipeline: Pipeline) -> None:
    """Parking settles where it begins: a worker that resumes it knows nothing of the log any more."""
    await pipeline.write(an_order("warm-up", 1))
    async with pipeline.worker():
        await arrived(pipeline, 1)
        await pipeline.execute("UPDATE delivery.delivery_partition SET first_offset = 1")
    await pipeline.platform.faults(failOrders={"orderIds": ["bad"]})
    async with pipeline.worker():
        await pipeline.write(an_order("bad", 5, first_seq=4))
        number = 0
        while await pipeline.statuses("bad") != {4: "retrying", 5: "held"}:
            number += 1
            await pipeline.write(an_order(f"good-{number}", 1))
        await pipeline.platform.faults()
        await pipeline.execute(_DUE)

        async def all_went() -> bool:
            return await pipeline.statuses("bad") == {4: "delivered", 5: "delivered"}

        await eventually(all_went)
    assert await pipeline.platform.seqs("bad") == [4, 5]
