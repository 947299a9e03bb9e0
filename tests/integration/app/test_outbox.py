"""The outbox on a real database: claims, fences, order, and a Kafka that answers when the test says so."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.outbox.claim import Claim
from app.outbox.recorder import SqlOutbox
from app.outbox.store import FailedSend
from contracts.envelope import EventMessage
from kits.kafka.errors import KafkaConfigurationError, RecordRefusedError, SendNotDoneError
from kits.kafka.records import Acknowledgement
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import _SESSION
from tests.builders import a_message
from tests.integration.app.conftest import LEASE_SECONDS, Shop
from tests.integration.app.outbox_pipeline import Pipeline
from tests.waiting import eventually

ORDER = "0199aaaa-0000-7000-8000-000000000001"
ACK = Acknowledgement("order-events", 1, 42)


@pytest.fixture
def pipeline(engine: AsyncEngine) -> Pipeline:
    """One process."""
    return Pipeline(engine)


async def record(engine: AsyncEngine, *messages: EventMessage, claimed: bool = False) -> list[Claim]:
    """Commit these events as one transaction of the shop would."""
    async with driver_transaction(engine) as connection:
        outbox = SqlOutbox(connection, lease_seconds=LEASE_SECONDS)
        await outbox.add(messages, claimed=claimed)
        return list(outbox.claimed())


async def test_only_the_head_of_an_order_is_born_claimed(engine: AsyncEngine) -> None:
    """In one transaction, and behind an unpublished event of an earlier one."""
    claims = await record(engine, a_message(ORDER, 1), a_message(ORDER, 2), a_message(), claimed=True)
    assert sorted(claim.message.seq for claim in claims) == [1, 1]
    assert await record(engine, a_message(ORDER, 3), claimed=True) == []


async def test_an_event_behind_published_ones_is_born_claimed(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """That is the normal life of an order."""
    pipeline.publisher.publish(await record(engine, a_message(ORDER, 1), claimed=True))
    await asyncio.sleep(0)
    await pipeline.write_back.settle()
    assert len(await record(engine, a_message(ORDER, 2), claimed=True)) == 1


async def test_an_acknowledged_event_is_marked_published_with_its_place_in_the_log(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """And its lease is over."""
    pipeline.publisher.publish(await record(engine, a_message(), claimed=True))
    await asyncio.sleep(0)
    await pipeline.write_back.settle()
    query = 'SELECT published_at IS NOT NULL, partition, "offset", lease_token FROM outbox_event'
    assert await shop.rows(query) == [(True, 0, 1, None)]
    assert pipeline.publisher.held == 0


async def test_a_relay_sends_the_events_of_an_order_one_after_the_other(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Seq 2 is claimed only when seq 1 is marked published."""
    await record(engine, *(a_message(ORDER, seq) for seq in (1, 2, 3, 4, 5)))
    assert [claim.message.seq for claim in await pipeline.store.claim_heads(10)] == [1]
    assert await pipeline.store.claim_heads(10) == []


async def test_a_backlog_of_five_events_goes_out_in_order(engine: AsyncEngine, pipeline: Pipeline) -> None:
    """Round by round, as heads are settled."""
    await record(engine, *(a_message(ORDER, seq) for seq in (1, 2, 3, 4, 5)))
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2, 3, 4, 5]


async def test_two_relays_never_claim_the_same_row(engine: AsyncEngine) -> None:
    """SKIP LOCKED and the lease predicate stand in one statement."""
    await record(engine, *(a_message() for _ in range(200)))
    relays = [Pipeline(engine) for _ in range(4)]
    batches = await asyncio.gather(*(each.store.claim_heads(60) for each in relays))
    claimed = [claim.message.event_id for batch in batches for claim in batch]
    rest = await relays[0].store.claim_heads(200)
    assert sorted(claimed + [claim.message.event_id for claim in rest]) == sorted(
        set(claimed) | {claim.message.event_id for claim in rest}
    )
    assert len(claimed) + len(rest) == 200


async def test_a_row_whose_lease_ran_out_is_claimed_again_and_its_first_owner_is_fenced(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """A frozen process wakes up and can write nothing any more."""
    (stale,) = await record(engine, a_message(), claimed=True)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox_event SET lease_until = clock_timestamp()"))
    (fresh,) = await pipeline.store.claim_heads(10)
    assert await pipeline.store.mark_published([(stale, ACK)]) == 0
    assert await pipeline.store.mark_failed([FailedSend(stale, "late")]) == 0
    assert await pipeline.store.renew([stale]) == set()
    assert await shop.rows("SELECT published_at, last_error FROM outbox_event") == [(None, None)]
    assert await pipeline.store.mark_published([(fresh, ACK)]) == 1


async def test_the_senders_own_deadline_ends_before_the_lease(engine: AsyncEngine) -> None:
    """Three seconds earlier."""
    asked_at = asyncio.get_running_loop().time()
    (claim,) = await record(engine, a_message(), claimed=True)
    had_at = asyncio.get_running_loop().time()
    assert asked_at <= claim.deadline.not_after - (LEASE_SECONDS - 3.0) <= had_at


async def test_a_lost_lease_is_not_renewed_and_a_kept_one_moves_both_deadlines(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """The rows of one batch share a token, not a fate."""
    pipeline.producer.answers = False
    kept, lost = await record(engine, a_message(), a_message(), claimed=True)
    pipeline.publisher.publish([kept, lost])
    before = lost.deadline.not_after
    kept.deadline.not_after = lost.deadline.not_after = before - 5.0
    async with engine.begin() as connection:
        steal = text("UPDATE outbox_event SET lease_token = gen_random_uuid() WHERE event_id = :id")
        await connection.execute(steal, {"id": lost.message.event_id})
    await pipeline.write_back.settle()
    assert kept.deadline.not_after >= before
    assert lost.deadline.not_after == before - 5.0


async def test_a_record_refused_alone_is_dead_and_holds_its_order_and_no_other(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Later events of the order wait; nothing overtakes."""
    await record(engine, a_message(ORDER, 1), a_message(ORDER, 2))
    pipeline.producer.answers = False
    await pipeline.relay.relay_once()
    pipeline.producer.refuse(RecordRefusedError("the broker refused this record"))
    await asyncio.sleep(0)
    await pipeline.write_back.settle()
    pipeline.producer.answers = True
    await record(engine, a_message())
    await pipeline.relay_all()
    rows = "SELECT seq, dead_at IS NOT NULL, published_at IS NOT NULL FROM outbox_event ORDER BY event_id"
    assert await shop.rows(rows) == [(1, True, False), (2, False, False), (1, False, True)]
    assert (await pipeline.store.backlog()).dead == 1


@pytest.mark.parametrize("error", [SendNotDoneError("gave up"), KafkaConfigurationError("not authorised")])
async def test_an_unknown_send_and_a_wrong_configuration_are_never_dead(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline, error: Exception
) -> None:
    """The row is free again, with the reason written on it."""
    await record(engine, a_message())
    pipeline.producer.answers = False
    await pipeline.relay.relay_once()
    pipeline.producer.refuse(error)
    await asyncio.sleep(0)
    await pipeline.write_back.settle()
    ((dead_at, lease_until, last_error),) = await shop.rows(
        "SELECT dead_at, lease_until, last_error FROM outbox_event"
    )
    assert (dead_at, lease_until) == (None, None)
    assert str(error) in last_error


async def test_while_kafka_does_not_answer_the_relay_claims_nothing(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """What is pending will tell of Kafka's return; then everything drains in order."""
    pipeline.producer.answers = False
    pipeline.publisher.publish(await record(engine, a_message(ORDER, 1), claimed=True))
    pipeline.breaker.is_open = True
    assert not pipeline.publisher.accepts()
    await record(engine, a_message(ORDER, 2), *(a_message() for _ in range(5)))
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 1
    pipeline.producer.answers = True
    pipeline.producer.answer()
    await asyncio.sleep(0)
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 7
    assert [int(dict(r.headers)["order_seq"]) for r in pipeline.producer.sent if r.key == ORDER.encode()] == [
        1,
        2,
    ]


async def test_with_nothing_pending_one_row_is_sent_as_a_probe(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Without it nobody would ever learn that Kafka is back."""
    await record(engine, *(a_message() for _ in range(5)))
    pipeline.breaker.is_open = True
    pipeline.producer.answers = False
    await pipeline.relay_all()
    assert len(pipeline.producer.sent) == 1


async def test_answers_are_kept_while_the_database_is_away_and_written_when_it_is_back(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acknowledgement is worth keeping: it saves a repeat."""
    pipeline.publisher.publish(await record(engine, a_message(), claimed=True))
    await asyncio.sleep(0)
    monkeypatch.setattr("app.outbox.write_back._OUTAGE_SECONDS", 0.01)
    monkeypatch.setattr(pipeline.store, "_engine", AwayEngine())
    await pipeline.write_back.settle()
    assert pipeline.publisher.held == 1
    monkeypatch.setattr(pipeline.store, "_engine", engine)
    await pipeline.write_back.settle()
    assert await shop.rows("SELECT published_at IS NOT NULL FROM outbox_event") == [(True,)]


@pytest.fixture
def short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """For engines that are made from now on."""
    monkeypatch.setitem(_SESSION, "lock_timeout", "200")


async def test_a_row_that_another_session_holds_keeps_its_answer_and_no_others(
    short_lock_timeout: None, shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Answers are written and leases renewed around it; its own follows when it is free."""
    answered = await record(engine, a_message(), a_message(), claimed=True)
    unanswered = await record(engine, a_message(), a_message(), claimed=True)
    held = [answered[0].message.event_id, unanswered[0].message.event_id]
    pipeline.publisher.publish(answered)
    pipeline.producer.answers = False
    pipeline.publisher.publish(unanswered)
    await asyncio.sleep(0)
    deadlines = [claim.deadline.not_after for claim in unanswered]
    published = "SELECT count(*) FROM outbox_event WHERE published_at IS NOT NULL"
    async with engine.connect() as stranger:
        rows = "SELECT 1 FROM outbox_event WHERE event_id = ANY(CAST(:ids AS uuid[])) FOR UPDATE"
        await stranger.execute(text(rows), {"ids": held})
        await pipeline.write_back.settle()
        assert await shop.rows(published) == [(1,)]
        renewed = [claim.deadline.not_after for claim in unanswered]
        assert [now > before for now, before in zip(renewed, deadlines, strict=True)] == [False, True]
        # Known from now on: a new answer is written without a wait for the held one.
        pipeline.producer.answer()
        await asyncio.sleep(0)
        await pipeline.write_back.settle()
        assert await shop.rows(published) == [(2,)]
        await stranger.rollback()
    await pipeline.write_back.settle()
    assert await shop.rows(published) == [(4,)]
    assert pipeline.publisher.held == 0


class AwayEngine:
    """A database that refuses connections."""

    def connect(self) -> None:
        raise ConnectionRefusedError


async def test_a_running_relay_brings_what_a_dead_process_left(engine: AsyncEngine) -> None:
    """The claims of a killed process run out; the next one sends them without being told."""
    await record(engine, *(a_message() for _ in range(3)), claimed=True)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE outbox_event SET lease_until = clock_timestamp()"))
    pipeline = Pipeline(engine)
    tasks = [asyncio.create_task(pipeline.relay.run()), asyncio.create_task(pipeline.write_back.run())]
    try:
        await eventually(lambda: len(pipeline.producer.sent) == 3)
        await eventually(lambda: pipeline.publisher.held == 0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_published_rows_are_deleted_after_their_retention_and_others_never(
    shop: Shop, engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """An unpublished event is kept however old it is."""
    await record(engine, a_message(), a_message(), a_message())
    await pipeline.store.mark_published([(claim, ACK) for claim in await pipeline.store.claim_heads(2)])
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE outbox_event SET published_at = published_at - interval '31 days'")
        )
    assert await pipeline.store.delete_published(older_than_days=30, limit=1) == 1
    assert await pipeline.store.delete_published(older_than_days=30, limit=10) == 1
    assert await shop.rows("SELECT count(*) FROM outbox_event WHERE published_at IS NULL") == [(1,)]


async def test_recording_reads_no_more_however_long_the_backlog_is(
    engine: AsyncEngine, pipeline: Pipeline
) -> None:
    """Also with statistics from a time without one: a long outage of Kafka must not slow orders down."""
    claimed = await record(engine, *(a_message() for _ in range(200)), claimed=True)
    await pipeline.store.mark_published([(claim, ACK) for claim in claimed])
    async with engine.begin() as connection:
        await connection.execute(text("ANALYZE outbox_event"))
    await record(engine, *(a_message() for _ in range(2000)))
    async with engine.begin() as connection:
        before = (await connection.execute(READ)).scalar_one()
    await record(engine, *(a_message(seq=2) for _ in range(50)), claimed=True)

    async def read() -> int:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_stat_force_next_flush()"))
        async with engine.begin() as connection:
            return int((await connection.execute(READ)).scalar_one() - before)

    assert await read() < 2000


READ = text("SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'outbox_event'")
