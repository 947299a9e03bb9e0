"""Dead letters, what waits behind them, and gaps on real servers."""

from kits.kafka.records import OutgoingRecord
from tests.integration.worker.harness import Pipeline, arrived
from tests.unit.worker.events import Sample, an_order
from tests.waiting import eventually


async def finished(pipeline: Pipeline) -> None:
    """Everything in the topic is in the inbox, and what died is copied."""
    await eventually(pipeline.committed_everything)

    async def nothing_to_copy() -> bool:
        query = "SELECT 1 FROM delivery.inbox_event WHERE dead_at IS NOT NULL AND dlq_copied_at IS NULL"
        return not await pipeline.rows(query)

    await eventually(nothing_to_copy)


async def stands(pipeline: Pipeline, order_id: str, expected: dict[int, str]) -> None:
    """Wait until an order's events are these."""

    async def it_is() -> bool:
        return await pipeline.statuses(order_id) == expected

    await eventually(it_is)


async def test_a_refused_event_is_copied_and_holds_its_order_and_no_other(pipeline: Pipeline) -> None:
    """The copy has the same key, bytes and headers and says why; later events wait in the ledger, whole."""
    await pipeline.platform.faults(reject={"orderIds": ["order-1"]})
    orders = {number: an_order(f"order-{number}", 3) for number in (1, 2, 3)}
    await pipeline.write(event for seq in range(3) for event in (order[seq] for order in orders.values()))
    async with pipeline.worker():
        await stands(pipeline, "order-1", {1: "dead", 2: "waiting", 3: "waiting"})
        await pipeline.platform.faults()
        await pipeline.write(an_order("order-1", 4, first_seq=4))
        await finished(pipeline)
    async with pipeline.worker():
        await pipeline.write(an_order("order-1", 5, first_seq=5))
        await finished(pipeline)
    assert await pipeline.platform.seqs("order-1") == []
    assert await pipeline.platform.seqs("order-2") == [1, 2, 3]
    assert await pipeline.statuses("order-1") == {1: "dead"} | dict.fromkeys((2, 3, 4, 5), "waiting")
    (copy,) = await pipeline.dead_letters()
    dead = orders[1][0]
    assert (copy.key, copy.value) == (b"order-1", dead.payload)
    headers = dict(copy.headers)
    assert headers.items() >= dict(dead.header_items).items()
    assert headers["dlq_error_class"] == b"rejected"
    # Alone on its way it goes by a single call.
    assert headers["dlq_error_code"] in {b"batch_rejected", b"http_422"}
    assert b"rejected as the fault switches say" in headers["dlq_error_message"]
    assert headers["dlq_group"] == pipeline.group.encode()
    assert headers["dlq_topic"] == pipeline.topic.encode()
    assert headers["dlq_attempts"] == b"0"
    assert {"dlq_partition", "dlq_offset", "dlq_first_failed_at", "dlq_last_failed_at"} <= set(headers)
    (held,) = await pipeline.rows(
        "SELECT payload FROM delivery.inbox_event WHERE order_id = 'order-1' AND seq = 2"
    )
    assert held["payload"] == orders[1][1].payload


async def test_records_that_cannot_be_read_are_dead_letters_and_their_partition_goes_on(
    pipeline: Pipeline,
) -> None:
    """Undecodable bytes, an unknown version, no value, contradicting headers, strange headers, no key."""
    bad = [
        Sample("bad-1", 1, value=b"\xff\x00 not json"),
        Sample("bad-2", 1, version=99),
        Sample("bad-3", 1, value=None),
        Sample("bad-4", 1, headers={"ce_id": b"someone-else"}),
        Sample("bad-5", 1, value=b"[" * 100_000),
        Sample("bad-6", 1, value=b"{", headers={"ce_subject": b"a\x00b", "order_seq": b"x", "ce_id": b""}),
    ]
    keyless = OutgoingRecord(pipeline.topic, None, b"garbage", (("\x00", b"\x00"),))
    good = [event for number in range(6) for event in an_order(f"order-{number}", 2)]
    await pipeline.write([*bad, keyless, *good])
    async with pipeline.worker():
        await arrived(pipeline, 12)
        await finished(pipeline)
        await pipeline.write([Sample("bad-1", 2)])
        await finished(pipeline)
    copies = await pipeline.dead_letters()
    codes = sorted(dict(copy.headers)["dlq_error_code"].decode() for copy in copies)
    assert codes == ["contradicting_headers", "empty_value", *["undecodable_value"] * 4, "unknown_version"]
    assert {copy.value for copy in copies} >= {sample.payload for sample in bad}
    assert await pipeline.statuses("bad-1") == {1: "dead", 2: "waiting"}
    assert (await pipeline.platform.received())["count"] == 12


async def test_reading_dead_letters_again_copies_none_twice(pipeline: Pipeline) -> None:
    """The inbox knows them, also those whose order is unknown."""
    nameless = Sample(value=b"{", without=frozenset({"ce_id", "ce_subject", "order_seq"}))
    await pipeline.write([nameless, Sample("bad-1", 1, value=b"{")])
    async with pipeline.worker():
        await finished(pipeline)
    await pipeline.execute("UPDATE delivery.inbox_partition SET next_offset = 0")
    async with pipeline.worker():
        await pipeline.write([Sample("good-1")])
        await arrived(pipeline, 1)
        await finished(pipeline)
    assert len(await pipeline.dead_letters()) == 2


async def test_a_gap_holds_what_follows_and_filling_it_lets_it_go_in_order(pipeline: Pipeline) -> None:
    """No other order waits, a restart changes nothing, and health names what is missing."""
    await pipeline.write(
        [*an_order("order-1", 1), *an_order("order-1", 5, first_seq=3), *an_order("order-2", 2)]
    )
    waiting = {1: "delivered"} | dict.fromkeys((3, 4, 5), "waiting")
    async with pipeline.worker():
        await stands(pipeline, "order-2", {1: "delivered", 2: "delivered"})
        await stands(pipeline, "order-1", waiting)
    async with pipeline.worker():
        await pipeline.write(an_order("order-1", 2, first_seq=2))
        await stands(pipeline, "order-1", dict.fromkeys(range(1, 6), "delivered"))
    assert await pipeline.platform.seqs("order-1") == [1, 2, 3, 4, 5]
    assert len(await pipeline.dead_letters()) == 0
