"""A worker process and a topic with everything that may be wrong in it: each trouble stays where it is."""

import json
from typing import Any

from devservices.kafka_config import DATA
from devservices.stack import Stack
from kits.kafka.murmur2 import murmur2
from kits.kafka.records import OutgoingRecord, TopicPartition
from tests.integration.kafka.raw_batches import RECORDS_AT, RawName, damage_batch, flip, send_batches
from tests.integration.worker.harness import TOPIC_PARTITIONS, Pipeline, arrived
from tests.integration.worker.processes import WorkerProcess, commanded, worker_process
from tests.unit.worker.events import Sample
from tests.waiting import eventually


def orders_of(partition: int, count: int) -> list[str]:
    """Ids of orders whose events stand there."""
    numbered = (f"o-{number}" for number in range(1000))
    found = [name for name in numbered if murmur2(name.encode()) % 2**31 % TOPIC_PARTITIONS == partition]
    return found[:count]


def batch_of(sample: Sample) -> list[tuple[bytes, bytes | None, list[tuple[Any, bytes]]]]:
    """One batch with one event."""
    return [(sample.order_id.encode(), sample.payload, list(sample.header_items))]


async def broken_topic(pipeline: Pipeline, own_servers: Stack) -> None:
    """Partition 0: good, damaged, good. 1: unreadable in three ways, then good. 2: a gap, then good."""
    first, damaged, last = (Sample(name) for name in orders_of(0, 3))
    batches = [batch_of(sample) for sample in (first, damaged, last)]
    await send_batches(pipeline.kafka, TopicPartition(pipeline.topic, 0), *batches)
    directory = own_servers.instance.directory / "kafka" / DATA / f"{pipeline.topic}-0"
    damage_batch(directory / f"{0:020}.log", 1, flip(RECORDS_AT + 5))
    odd, contradicting, elsewhere, good = (Sample(name) for name in orders_of(1, 4))
    odd_name = [(odd.order_id.encode(), odd.payload, [(RawName(b"\xff\xfe"), b"1"), *odd.header_items])]
    await send_batches(pipeline.kafka, TopicPartition(pipeline.topic, 1), odd_name)
    key = good.order_id.encode()
    gap, after = orders_of(2, 2)
    await pipeline.write([
        Sample(contradicting.order_id, 1, headers={"order_seq": b"2"}),
        OutgoingRecord(pipeline.topic, key, elsewhere.payload, elsewhere.header_items),
        good, Sample(gap, 1), Sample(gap, 4), Sample(after),
    ])  # fmt: skip


async def test_what_is_wrong_in_a_topic_stops_nothing_else_and_is_named(
    pipeline: Pipeline, own_servers: Stack
) -> None:
    """Of the real process, in turn:

    - a header whose name is not UTF-8, one that contradicts the body, a key that is another order's: each
      is a dead letter of its own, and its partition goes on;
    - a batch with one flipped byte stops its partition only; /readyz and the log name partition and offset,
      and its lag is that of what stands there;
    - a gap is a warning with the missing numbers, a gauge, and a row with its age;
    - what `offsets seek` passes over is printed and audited, and the running worker goes on behind it.
    """
    await broken_topic(pipeline, own_servers)
    async with worker_process(pipeline, WORKER_GAP_WAIT_SECONDS="1") as worker:
        await arrived(pipeline, 4)
        await eventually(lambda: the_damage_is_named(pipeline, worker))
        await eventually(lambda: the_gap_is_told(pipeline, worker))
        query = "SELECT error_code FROM delivery.inbox_event WHERE dead_at IS NOT NULL ORDER BY 1"
        codes = ["contradicting_headers", "other_key", "unreadable_headers"]
        assert [code for (code,) in await pipeline.rows(query)] == codes
        words = ("offsets", "seek", "--partition", "0", "--offset", "2", "--reason", "a bad disk")
        sought = await commanded(pipeline, *words, "--yes")
        assert sought.code == 0, sought.err
        assert "outbox republish --partition 0 --from 1 --to 1" in sought.out
        await arrived(pipeline, 5)
        await eventually(worker.is_ready)
    (noted,) = await pipeline.rows("SELECT action, detail, reason FROM delivery.inbox_audit")
    assert tuple(noted) == ("offsets_seek", f"{pipeline.topic}, partition 0: 1 -> 2", "a bad disk")


async def the_damage_is_named(pipeline: Pipeline, worker: WorkerProcess) -> bool:
    """By the probe, the log and the lag."""
    status, said = await worker.answer("/readyz")
    assert (status, f"offset 1 of partition 0 of {pipeline.topic}" in said) == (503, True), said
    line = the_line(worker, "kafka_partition_stopped")
    assert "partition=0" in line or '"partition": 0' in line or '"partition":0' in line, line
    _, metrics = await worker.answer("/metrics")
    place = f'{{group="{pipeline.group}",partition="%d",topic="{pipeline.topic}"}}'
    lags = [f"kafka_consumer_lag_records{place % number} {lag}.0" for number, lag in enumerate((2, 0, 0))]
    return set(lags) <= set(metrics.splitlines())


async def the_gap_is_told(pipeline: Pipeline, worker: WorkerProcess) -> bool:
    """By a warning, a gauge, and a row of what is stuck."""
    assert "numbers 2 to 3" in the_line(worker, "number_missing")
    _, metrics = await worker.answer("/metrics")
    assert f'queue_gaps{{queue="{pipeline.group}"}} 1.0' in metrics.splitlines()
    listed = await commanded(pipeline, "dlq", "list", "--state", "gap", "--json", WORKER_GAP_WAIT_SECONDS="1")
    rows = json.loads(listed.out)
    gaps = [(row["seq"], row["missingFrom"], row["missingTo"], bool(row["since"])) for row in rows]
    assert gaps == [(4, 2, 3, True)], listed.out
    return True


def the_line(worker: WorkerProcess, event: str) -> str:
    """The one line of the log with this event; none yet is "not yet" to whoever waits for it."""
    lines = [each for each in worker.log.splitlines() if event in each]
    assert len(lines) == 1, f"{event}: {len(lines)} lines"
    return lines[0]
