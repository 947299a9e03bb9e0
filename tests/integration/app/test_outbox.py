"""The outbox on a real database: events in order, and a Kafka that answers when the test says so."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.outbox.recorder import SqlOutbox
from contracts.envelope import EventMessage
from kits.kafka.errors import (
    KafkaConfigurationError,
    RecordRefusedError,
    RecordTooLargeError,
    SendNotDoneError,
)
from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Claim
from kits.ordered_queue.metrics import QueueMetrics
from kits.outbox.recording import OutboxConflictError
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import _SESSION
from kits.postgres.errors import Fault, fault_of
from tests.builders import a_message
from tests.integration.app.conftest import LEASE_SECONDS, Shop
from tests.integration.app.outbox_pipeline import Pipeline
from tests.waiting import eventually

ORDER = "0199aaaa-0000-7000-8000-000000000001"


@pytest.fixture
def pipeline(engine: AsyncEngine) -> Pipeline:
    """One process."""
    return Pipeline(engine)


async def record(
    engine: AsyncEngine, pipeline: Pipeline, *messages: EventMessage, claimed: bool = False
) -> list[Claim]:
    """Commit these events as one transaction of the shop would."""
    async with driver_transaction(engine) as connection:
        outbox = SqlOutbox(connection, pipeline.enqueue)
        await outbox.add(messages, claimed=claimed)
        return list(outbox.claimed())


async def test_events_of_one_transaction_are_born_claimed_together(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """In the order of their seq, however they were added; behind another process's they are not."""
    first, second = a_message(ORDER, 1), a_message(ORDER, 2)
    claims = await record(engine, pipeline, second, a_message(), first, claimed=True)
    assert [claim.item.number for claim in claims if claim.item.key == ORDER] == [1, 2]
    assert await record(engine, Pipeline(engine), a_message(ORDER, 3), claimed=True) == []


async def test_an_event_behind_published_ones_is_born_claimed(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """That is the normal life of an order, whichever process takes its next step."""
    pipeline.queue.offer(await record(engine, pipeline, a_message(ORDER, 1), claimed=True))
    await pipeline.settle()
    assert len(await record(engine, Pipeline(engine), a_message(ORDER, 2), claimed=True)) == 1


async def test_a_number_that_another_event_has_rolls_its_transaction_back(
    engine: AsyncEngine, pipeline: Pipeline, shop: Shop
) -> None:
    """As a broken rule of the data: the one command is refused, its neighbours go again without it."""
    await record(engine, pipeline, a_message(ORDER, 1))
    with pytest.raises(OutboxConflictError) as refused:
        await record(engine, pipeline, a_message(), a_message(ORDER, 1))
    assert fault_of(refused.value) is Fault.DEFINITE
    assert await shop.rows("SELECT count(*) FROM outbox_event") == [(1,)]


async def test_an_acknowledged_event_is_marked_published_with_its_place_in_the_log(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """And its lease is over. The row has what any reader of the table looks for."""
    message = a_message(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    pipeline.queue.offer(await record(engine, pipeline, message, claimed=True))
    await pipeline.settle()
    query = 'SELECT published_at IS NOT NULL, partition, "offset", lease_token FROM outbox_event'
    assert await shop.rows(query) == [(True, 0, 1, None)]
    kept = "SELECT aggregate_type, key, payload, payload_size, headers, topic, occurred_at FROM outbox_event"
    size, headers = len(message.payload), {"traceparent": message.traceparent}
    assert await shop.rows(kept) == [
        ("order", message.key, message.payload, size, headers, message.topic, message.occurred_at)
    ]
    assert pipeline.queue.held == 0


async def test_one_event_of_an_order_is_on_its_way_at_a_time(engine: AsyncEngine, pipeline: Pipeline) -> None:
    """The next goes when Kafka has acknowledged the one before, whether that is written or not."""
    pipeline.producer.answers = False
    await record(engine, pipeline, *(a_message(ORDER, seq) for seq in (1, 2, 3)))
    await pipeline.relay_once()
    assert pipeline.seqs() == [1]
    pipeline.producer.answer()
    await eventually(lambda: pipeline.seqs() == [1, 2])


async def test_a_backlog_goes_out_in_order_with_its_own_bytes(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """What a relay reads back is what was recorded."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    messages = [a_message(ORDER, seq, traceparent=trace) for seq in (1, 2, 3, 4, 5)]
    await record(engine, pipeline, *messages)
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2, 3, 4, 5]
    assert [record.value for record in pipeline.producer.sent] == [each.payload for each in messages]
    headers = dict(pipeline.producer.sent[0].headers)
    assert (headers["ce_id"].decode(), headers["traceparent"].decode()) == (messages[0].event_id, trace)


async def test_two_relays_never_claim_the_same_row(engine: AsyncEngine, pipeline: Pipeline) -> None:
    """SKIP LOCKED and the lease predicate stand in one statement."""
    await record(engine, pipeline, *(a_message() for _ in range(200)))
    stores = [Pipeline(engine).store for _ in range(4)]
    looks = await asyncio.gather(*(store.claim(limit=60, max_bytes=10_000_000) for store in stores))
    rest = await stores[0].claim(limit=200, max_bytes=10_000_000)
    claimed = [claim.item.id for looked in (*looks, rest) for claim in looked.claims]
    assert len(claimed) == len(set(claimed)) == 200


async def test_the_senders_own_deadline_ends_before_the_lease(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Nothing of it is handed to Kafka afterwards; it is given free, and Kafka is not suspected for it."""
    pipeline.producer.answers = False
    (claim,) = await record(engine, pipeline, a_message(), claimed=True)
    pipeline.queue.offer([claim])
    (deadline,) = pipeline.producer.deadlines
    assert not deadline.passed(0.0)
    claim.until -= LEASE_SECONDS - 3.0
    assert deadline.passed(0.0)
    pipeline.producer.refuse(SendNotDoneError("the deadline passed before Kafka took the record"))
    await pipeline.settle()
    assert pipeline.breaker.is_closed
    assert [claim.item.id for claim in (await pipeline.store.claim(limit=9, max_bytes=1)).claims] == [
        claim.item.id
    ]


@pytest.mark.parametrize("error", [RecordRefusedError("strange"), RecordTooLargeError("too large")])
async def test_a_record_refused_alone_is_dead_and_holds_its_order_and_no_other(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline, error: Exception
) -> None:
    """Later events of the order wait; nothing overtakes."""
    await record(engine, pipeline, a_message(ORDER, 1), a_message(ORDER, 2))
    pipeline.producer.answers = False
    await pipeline.relay_once()
    pipeline.producer.refuse(error)
    await pipeline.settle()
    pipeline.producer.answers = True
    await record(engine, pipeline, a_message())
    await pipeline.relay_all()
    rows = "SELECT seq, dead_at IS NOT NULL, published_at IS NOT NULL FROM outbox_event ORDER BY event_id"
    assert await shop.rows(rows) == [(1, True, False), (2, False, False), (1, False, True)]
    assert (await pipeline.store.backlog()).dead == 1
    assert pipeline.breaker.is_closed


@pytest.mark.parametrize("error", [SendNotDoneError("gave up"), KafkaConfigurationError("not authorised")])
async def test_an_unknown_send_and_a_wrong_configuration_are_never_dead(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline, error: Exception
) -> None:
    """The row is free again, with the reason written on it and no attempt charged; nothing else is sent."""
    await record(engine, pipeline, a_message())
    pipeline.producer.answers = False
    await pipeline.relay_once()
    pipeline.producer.refuse(error)
    await pipeline.settle()
    ((dead_at, lease_until, attempts, last_error),) = await shop.rows(
        "SELECT dead_at, lease_until, attempts, last_error FROM outbox_event"
    )
    assert (dead_at, lease_until, attempts) == (None, None, 0)
    assert str(error) in last_error
    assert not pipeline.queue.accepts()


async def test_while_kafka_does_not_answer_the_relay_claims_nothing(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """What is pending will tell of Kafka's return; then everything drains in order."""
    pipeline.producer.answers = False
    pipeline.queue.offer(await record(engine, pipeline, a_message(ORDER, 1), claimed=True))
    pipeline.breaker.stalled()
    assert not pipeline.queue.accepts()
    await record(engine, pipeline, a_message(ORDER, 2), *(a_message() for _ in range(5)))
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 1
    pipeline.producer.answers = True
    pipeline.producer.answer()
    await pipeline.settle()
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 7
    assert [int(dict(r.headers)["order_seq"]) for r in pipeline.producer.sent if r.key == ORDER.encode()] == [
        1,
        2,
    ]


async def test_sends_that_wait_are_an_outage_only_if_none_is_answered(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """A backlog that drains is progress, however old its rows are."""
    pipeline.producer.oldest_pending_seconds = 11.0
    pipeline.queue.offer(await record(engine, pipeline, a_message(), claimed=True))
    await pipeline.settle()
    assert pipeline.queue.accepts()
    pipeline.queue.sink._answered_at -= 2.0  # type: ignore[attr-defined]
    assert not pipeline.queue.accepts()


async def test_with_nothing_pending_one_row_is_sent_as_a_probe(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Without it nobody would ever learn that Kafka is back."""
    await record(engine, pipeline, *(a_message() for _ in range(5)))
    pipeline.breaker.stalled()
    pipeline.producer.answers = False

    async def probed() -> bool:
        await pipeline.relay_all()
        return bool(pipeline.producer.sent)

    await eventually(probed)
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 1


async def test_answers_are_kept_while_the_database_is_away_and_written_when_it_is_back(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acknowledgement is worth keeping: it saves a repeat."""
    pipeline.queue.offer(await record(engine, pipeline, a_message(), claimed=True))
    monkeypatch.setattr(pipeline.store, "_engine", AwayEngine())
    await pipeline.settle()
    assert pipeline.queue.held == 1
    monkeypatch.setattr(pipeline.store, "_engine", engine)
    await pipeline.settle()
    assert await shop.rows("SELECT published_at IS NOT NULL FROM outbox_event") == [(True,)]


@pytest.fixture
def short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """For engines that are made from now on."""
    monkeypatch.setitem(_SESSION, "lock_timeout", "200")


async def test_a_row_that_another_session_holds_keeps_its_answer_and_no_others(
    short_lock_timeout: None, shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Answers are written and leases renewed around it; its own follows when it is free."""
    answered = await record(engine, pipeline, a_message(), a_message(), claimed=True)
    unanswered = await record(engine, pipeline, a_message(), a_message(), claimed=True)
    held = [answered[0].item.id, unanswered[0].item.id]
    pipeline.queue.offer(answered)
    pipeline.producer.answers = False
    pipeline.queue.offer(unanswered)
    deadlines = [claim.until for claim in unanswered]
    published = "SELECT count(*) FROM outbox_event WHERE published_at IS NOT NULL"
    async with engine.connect() as stranger:
        rows = "SELECT 1 FROM outbox_event WHERE event_id = ANY(CAST(:ids AS uuid[])) FOR UPDATE"
        await stranger.execute(text(rows), {"ids": held})
        await pipeline.settle()
        assert await shop.rows(published) == [(1,)]
        await pipeline.write_back.rounds()
        renewed = [claim.until for claim in unanswered]
        assert [now > before for now, before in zip(renewed, deadlines, strict=True)] == [False, True]
        # Known from now on: a new answer is written without a wait for the held one.
        pipeline.producer.answer()
        await pipeline.settle()
        assert await shop.rows(published) == [(2,)]
        await stranger.rollback()
    await pipeline.settle()
    assert await shop.rows(published) == [(4,)]
    assert pipeline.queue.held == 0


async def test_what_is_not_published_is_measured(
    engine: AsyncEngine, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the time of the measurement, which stands still while the database is away."""
    metrics = Metrics()
    pipeline.queue.counts = QueueMetrics(metrics).of("outbox")
    waiting = a_message(ORDER, 2, occurred_at=datetime(2020, 1, 1, tzinfo=UTC))
    await record(engine, pipeline, a_message(ORDER, 1), waiting, a_message())
    pipeline.producer.answers = False
    await pipeline.relay_once()
    pipeline.producer.refuse(RecordRefusedError("strange"))
    await pipeline.settle()
    pipeline.breaker.stalled()
    await pipeline.queue.measure()
    measured = lines(metrics)
    for line in (
        'queue_waiting{queue="outbox"} 1.0',
        'queue_dead{queue="outbox"} 2.0',
        'queue_blocked_keys{queue="outbox"} 2.0',
        'circuit_breaker_state{name="outbox"} 2.0',
    ):
        assert line in measured
    assert (await pipeline.store.backlog()).oldest_seconds > 86_400, "it counts from when the event occurred"
    monkeypatch.setattr(pipeline.store, "_engine", AwayEngine())
    await pipeline.queue.measure()
    assert lines(metrics) == measured


def lines(metrics: Metrics) -> list[str]:
    """What is known of queues and breakers."""
    rendered = metrics.render().decode().splitlines()
    return [line for line in rendered if line.startswith(("queue_", "circuit_"))]


class AwayEngine:
    """A database that refuses connections."""

    def connect(self) -> None:
        raise ConnectionRefusedError


async def test_a_running_process_brings_what_a_dead_one_left(engine: AsyncEngine, pipeline: Pipeline) -> None:
    """The claims of a killed process run out; the next one sends them without being told."""
    await record(engine, pipeline, *(a_message() for _ in range(3)), claimed=True)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox_event SET lease_until = clock_timestamp()"))
    other = Pipeline(engine)
    other.queue.start()
    await eventually(lambda: len(other.producer.sent) == 3)
    await other.queue.stop(within_seconds=10.0)
    assert other.queue.held == 0


async def test_recording_reads_no_more_however_long_the_backlog_is(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Also with statistics from a time without one: a long outage of Kafka must not slow orders down."""
    pipeline.queue.offer(await record(engine, pipeline, *(a_message() for _ in range(200)), claimed=True))
    await pipeline.settle()
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE outbox_event"))
    await record(engine, pipeline, *(a_message() for _ in range(2000)))
    async with engine.begin() as connection:
        before = (await connection.execute(READ)).scalar_one()
    await record(engine, pipeline, *(a_message(seq=2) for _ in range(50)), claimed=True)

    async def read() -> int:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        async with engine.begin() as connection:
            return int((await connection.execute(READ)).scalar_one() - before)

    assert await read() < 2000


READ = text("SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'outbox_event'")
