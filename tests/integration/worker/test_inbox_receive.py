"""Receiving: what was read is in the inbox, once, or it is read again."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.integration.worker.receiving import DONE, Inbox, Log, Worker, inbox_in, names
from tests.unit.worker.events import TOPIC, Sample, an_order
from tests.waiting import eventually
from worker.handler import HandlerUnavailableError


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


@pytest.fixture
async def log() -> Log:
    """A topic of three partitions."""
    return Log()


@pytest.fixture
async def worker(inbox: Inbox, log: Log) -> Worker:
    """A worker that was given all partitions."""
    worker = inbox.worker()
    assert await worker.begin(log) == {0: 0, 1: 0, 2: 0}
    return worker


async def test_a_poll_is_stored_claimed_and_passed_in_one_transaction(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """A run of an order is born claimed together; the position is that of the next record."""
    log.append(*an_order("o-1", 3))
    log.append(Sample("o-2", 2), partition=2)
    assert await worker.read(log) == {0: 3, 2: 1}
    assert names(worker.claims.taken) == [("o-1", 1), ("o-1", 2), ("o-1", 3)]
    assert await inbox.position(0) == 3
    (row, *_) = await inbox.ask("SELECT * FROM delivery.inbox_event WHERE seq = 1")
    assert (row["consumer_group"], row["topic"], row["topic_id"]) == ("data-platform", TOPIC, log.topic_id)
    assert (row["payload"], row["record_key"]) == (log.records[0][0].value, b"o-1")
    assert await worker.read(log) == {}
    (claim,) = [claim for claim in worker.claims.taken if claim.item.number == 1]
    await inbox.change("lease_until = NULL, token = NULL")
    (found,) = [each for each in await worker.look() if each.item.number == 1]
    assert found.item == claim.item, "what is read back is what was received, headers too"


async def test_of_two_receivers_of_a_partition_one_moves_it(inbox: Inbox, log: Log, worker: Worker) -> None:
    """The other stores nothing, and goes on where the first one stands."""
    zombie = inbox.worker()
    await zombie.begin(log)
    log.append(*an_order("o-1", 4))
    answers = await asyncio.gather(worker.read(log, count=3), zombie.read(log, count=2))
    stands = await inbox.position(0)
    assert [answer[0] for answer in answers] == [stands, stands]
    assert len(await inbox.rows()) == stands
    await zombie.read(log)
    assert await worker.read(log) == {0: 4}, "an empty poll compares too"
    assert (len(await inbox.rows()), worker.repeats + zombie.repeats) == (4, 0)


async def test_what_comes_again_is_dropped_by_its_id(inbox: Inbox, log: Log, worker: Worker) -> None:
    """In one poll, in a later one, and after the database was set back."""
    first, second = Sample("o-1", 1), Sample("o-1", 2)
    log.append(first, first, second)
    await worker.read(log)
    assert worker.repeats == 1
    await inbox.ask("UPDATE delivery.inbox_partition SET next_offset = 0")
    assert await worker.read(log) == {0: 0}
    await worker.read(log)
    assert worker.repeats == 4
    assert await inbox.rows("event_id, seq") == [(first.event_id, 1), (second.event_id, 2)]


async def test_a_database_without_the_partition_begins_anew(inbox: Inbox, log: Log, worker: Worker) -> None:
    """It was restored to a time before: everything comes again."""
    log.append(*an_order("o-1", 2))
    await worker.read(log)
    await inbox.ask("TRUNCATE delivery.inbox_partition, delivery.inbox_event")
    answer = await worker.read(log)
    assert set(answer.values()) == {None}
    await worker.begin(log)
    await worker.read(log)
    assert len(await inbox.rows()) == 2


async def test_an_operator_moves_a_partition_of_a_running_worker(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """Forward and back: the worker reads on from where the table says."""
    log.append(*an_order("o-1", 3))
    await inbox.ask("UPDATE delivery.inbox_partition SET next_offset = 2 WHERE partition = 0")
    assert await worker.read(log) == {0: 2}
    await worker.read(log)
    assert await inbox.rows("seq") == [(3,)]


async def test_a_partition_that_cannot_be_stored_does_not_hold_the_others(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """They are stored beside it, and stay so; it is stored when it can be."""
    log.append(*an_order("o-1", 2))
    log.append(*an_order("o-2", 2), partition=1)
    async with inbox.engine.connect() as stranger:
        held = "SELECT 1 FROM delivery.inbox_partition WHERE partition = 0 FOR UPDATE"
        await stranger.execute(text(held))
        reading = asyncio.create_task(worker.read(log))
        await eventually(lambda: names(worker.claims.taken) == [("o-2", 1), ("o-2", 2)])
        assert not reading.done()
        await stranger.rollback()
    assert await reading == {0: 2, 1: 2}
    assert names(worker.claims.taken) == [("o-2", 1), ("o-2", 2), ("o-1", 1), ("o-1", 2)]
    assert worker.repeats == 0


async def test_what_finds_no_room_any_more_stays_in_the_topic(inbox: Inbox, worker: Worker) -> None:
    """However many partitions a poll brings, no more of them is stored than was begun side by side."""
    log = Log(partitions=7)
    await worker.begin(log)
    for number in range(7):
        log.append(*an_order(f"o-{number}", 2), partition=number)
    worker.claims.fills_up = True
    await worker.read(log)
    stored = {partition for (partition,) in await inbox.rows("partition")}
    assert 1 <= len(stored) <= 3
    assert worker.next == {number: 2 if number in stored else 0 for number in range(7)}
    worker.claims.is_full = worker.claims.fills_up = False
    await worker.read(log)
    assert worker.next == dict.fromkeys(range(7), 2)
    assert worker.repeats == 0


async def test_nothing_is_passed_while_the_database_cannot_store(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """The same records are stored later."""
    log.append(*an_order("o-1", 2))
    await inbox.ask("ALTER TABLE delivery.inbox_event RENAME TO away")
    with pytest.raises(HandlerUnavailableError, match="migrate"):
        await worker.read(log)
    assert await inbox.position(0) == 0
    await inbox.ask("ALTER TABLE delivery.away RENAME TO inbox_event")
    await worker.read(log)
    assert names(worker.claims.taken) == [("o-1", 1), ("o-1", 2)]


@pytest.mark.parametrize("polls", [1, 2])
async def test_a_number_of_another_event_is_kept_as_given_up(
    inbox: Inbox, log: Log, worker: Worker, polls: int
) -> None:
    """With its bytes; the first one of the log has the number, and the order goes on."""
    first, other, next_one = Sample("o-1", 1), Sample("o-1", 1), Sample("o-1", 2)
    log.append(first, other, next_one)
    for _ in range(polls):
        await worker.read(log, count=3 // polls)
    await worker.read(log)
    assert names(worker.claims.taken) == [("o-1", 1), ("o-1", 2)]
    row = await inbox.row(other.event_id)
    assert (row["seq"], row["was_seq"], row["error_class"]) == (None, 1, "number_conflict")
    assert (row["payload"], row["given_up_at"] is None) == (other.payload, False)
    assert worker.metrics.conflicts.labels("data-platform").value == 1


async def test_an_unreadable_record_is_dead_at_birth(inbox: Inbox, log: Log, worker: Worker) -> None:
    """With a number it holds its order, without one nobody; both have their bytes and the reason."""
    broken = Sample("o-1", 1, value=b"?")
    lost = Sample("o-9", 1, value=None, without=frozenset({"ce_id", "ce_subject", "order_seq"}))
    log.append(broken, Sample("o-1", 2), lost, Sample("o-2", 1))
    await worker.read(log)
    assert names(worker.claims.taken) == [("o-2", 1)]
    row = await inbox.row(broken.event_id)
    assert row["is_first"], "whatever takes its number begins the order"
    assert (row["error_class"], row["error_code"]) == ("unreadable", "undecodable_value")
    assert (row["payload"], row["seq"], row["dead_at"] is None) == (b"?", 1, False)
    (row,) = await inbox.ask("SELECT * FROM delivery.inbox_event WHERE error_code = 'empty_value'")
    assert (row["payload"], row["order_id"], row["record_key"]) == (None, None, b"o-9")
    assert await worker.look() == [], "what stands behind it waits"


async def test_at_the_place_of_an_old_topics_dead_letter_is_one_of_its_own(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """Topics are told apart by their ids."""
    bare = frozenset({"ce_id", "ce_subject", "order_seq"})
    for _ in range(2):
        log.append(Sample(value=b"?", without=bare))
        await worker.begin(log)
        await worker.read(log)
        log.make_anew()
    assert len(await inbox.rows()) == 2


async def test_readable_bytes_heal_an_unreadable_event(inbox: Inbox, log: Log, worker: Worker) -> None:
    """And what stood behind it follows."""
    whole = Sample("o-1", 1)
    broken = Sample("o-1", 1, whole.event_id, value=b"?")
    log.append(broken, Sample("o-1", 2))
    await worker.read(log)
    log.append(whole)
    await worker.read(log)
    row = await inbox.row(whole.event_id)
    assert (row["payload"], row["dead_at"], row["error_class"]) == (whole.payload, None, None)
    assert (row["offset"], row["is_first"], worker.repeats) == (2, True, 0)
    assert names(await worker.look()) == [("o-1", 1), ("o-1", 2)]


async def test_an_unreadable_record_yields_its_number_to_an_event(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """It only claimed it by a header; it stays a dead letter, and holds nobody."""
    broken = Sample("o-1", 1, value=b"?")
    log.append(broken)
    await worker.read(log)
    log.append(Sample("o-1", 1), Sample("o-1", 2))
    await worker.read(log)
    assert sorted(names(worker.claims.taken) + names(await worker.look())) == [("o-1", 1), ("o-1", 2)]
    row = await inbox.row(broken.event_id)
    assert (row["seq"], row["was_seq"], row["dead_at"] is None) == (None, 1, False)


async def test_two_unreadable_records_under_one_number_are_both_kept(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """One of them has the number; nothing is dropped."""
    log.append(Sample("o-1", 1, value=b"1"), Sample("o-1", 1, value=b"2"), Sample("o-2", 1))
    log.append(Sample("o-2", 1, value=b"3"))
    await worker.read(log)
    assert await inbox.rows("seq, was_seq, payload IS NOT NULL") == [
        (1, None, True), (None, 1, True), (1, None, True), (None, 1, True)
    ]  # fmt: skip


async def test_a_repeat_brings_the_bytes_that_a_replay_wants(inbox: Inbox, log: Log, worker: Worker) -> None:
    """Its number stays as it was."""
    sample = Sample("o-1", 1)
    log.append(sample)
    await worker.read(log)
    await inbox.change("payload = NULL, headers = NULL, token = NULL, replayed_at = now()")
    log.append(sample)
    await worker.read(log)
    row = await inbox.row(sample.event_id)
    assert (row["payload"], row["seq"], row["offset"]) == (sample.payload, 1, 1)


async def test_what_a_former_build_delivered_is_a_repeat_and_the_next_number_begins(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """By its high-water mark, whether the inbox knows the order or not."""
    await inbox.ask(
        "INSERT INTO delivery.delivery_order (consumer_group, order_id, last_seq)"
        " VALUES ('data-platform', 'o-1', 2), ('data-platform', 'o-2', 0), ('another', 'o-3', 5)"
    )
    log.append(*an_order("o-1", 4), *an_order("o-2", 2), Sample("o-3", 1))
    await worker.read(log)
    assert sorted(names(worker.claims.taken)) == [("o-1", 3), ("o-1", 4), ("o-2", 1), ("o-2", 2), ("o-3", 1)]
    assert worker.repeats == 2


async def test_where_the_log_had_lost_its_beginning_an_order_begins_with_what_is_left(
    inbox: Inbox, log: Log
) -> None:
    """In a partition that is seen from its start a missing number is waited for."""
    log.append(*an_order("o-1", 3))
    log.expire(0, 1)
    log.append(Sample("o-2", 2), partition=1)
    worker = inbox.worker()
    assert await worker.begin(log) == {0: 1, 1: 0, 2: 0}
    await worker.read(log)
    assert names(worker.claims.taken) == [("o-1", 2), ("o-1", 3)]
    log.append(Sample("o-1", 5))
    await worker.read(log)
    assert len(worker.claims.taken) == 2, "the order is known now: number 4 is waited for"


async def test_a_number_that_a_former_build_left_open_is_waited_for(inbox: Inbox, log: Log) -> None:
    """Also where the log had lost its beginning: the order is known."""
    await inbox.ask(
        "INSERT INTO delivery.delivery_order (consumer_group, order_id, last_seq)"
        " VALUES ('data-platform', 'o-1', 3)"
    )
    log.append(Sample("o-0", 1), Sample("o-1", 5))
    log.expire(0, 1)
    worker = inbox.worker()
    await worker.begin(log)
    await worker.read(log)
    assert worker.claims.taken == []
    log.append(Sample("o-1", 4))
    await worker.read(log)
    assert names(worker.claims.taken) + names(await worker.look()) == [("o-1", 4), ("o-1", 5)]


async def test_what_is_delivered_leaves_its_bytes_to_the_topic(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """But for a notice, which was never there, and what still waits for its copy as a dead letter."""
    log.append(*(Sample(f"o-{number}") for number in range(3)))
    await worker.read(log)
    await inbox.change("notice_of = ''", "order_id = 'o-1'")
    await inbox.change("redriven_at = now()", "order_id = 'o-2'")
    await worker.answer(*worker.claims.taken, result=DONE)
    kept = "payload IS NOT NULL, headers IS NOT NULL, record_key IS NOT NULL"
    assert await inbox.rows(kept) == [(False, False, False), (True, True, True), (True, True, True)]


async def test_more_partitions_bring_an_orders_events_from_two_places(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """From three to seven: the later number waits for the earlier one, wherever it is."""
    log.append(Sample("o-1", 1))
    grown = Log(7)
    grown.topic_id, grown.records[0] = log.topic_id, log.records[0]
    grown.append(Sample("o-1", 2), partition=5)
    await worker.begin(grown)
    await worker.read(grown, 5)
    assert worker.claims.taken == []
    await worker.read(grown)
    assert names(worker.claims.taken) + names(await worker.look()) == [("o-1", 1), ("o-1", 2)]


async def test_nothing_is_born_claimed_while_the_queue_takes_nothing(
    inbox: Inbox, log: Log, worker: Worker
) -> None:
    """A look finds it; and a full queue stops the reading."""
    worker.claims.accepting = False
    log.append(*an_order("o-1", 2))
    await worker.read(log)
    assert worker.claims.taken == []
    assert names(await worker.look()) == [("o-1", 1), ("o-1", 2)]
    assert worker.receiver.has_room
    worker.claims.is_full = True
    assert not worker.receiver.has_room


async def test_a_large_poll_is_stored_in_portions(
    inbox: Inbox, log: Log, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction has bounds; what one of them stored is not stored again when the next one fails."""
    monkeypatch.setattr("worker.inbox.receive._PORTION_BYTES", 600)
    log.append(*an_order("o-1", 5), *an_order("o-2", 5))
    await inbox.ask(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE lock_not_available; END $$"
    )
    await inbox.ask(
        "CREATE TRIGGER refuse BEFORE INSERT ON delivery.inbox_event FOR EACH ROW"
        " WHEN (new.order_id = 'o-2' AND new.seq = 4) EXECUTE FUNCTION refuse()"
    )
    with pytest.raises(HandlerUnavailableError):
        await worker.read(log)
    assert 0 < len(await inbox.rows()) == await inbox.position() < 10
    await inbox.ask("DROP TRIGGER refuse ON delivery.inbox_event")
    assert await worker.read(log) == {0: 10}
    assert (len(await inbox.rows()), worker.repeats) == (10, 0)
    assert names(worker.claims.taken) == [(f"o-{n}", seq) for n in (1, 2) for seq in range(1, 6)]


async def test_a_group_knows_nothing_of_another_ones_events(inbox: Inbox, log: Log, worker: Worker) -> None:
    """The same ids and numbers, in the same table."""
    sample = Sample("o-1", 1, str(uuid.uuid4()))
    log.append(sample)
    await worker.read(log)
    await inbox.change("consumer_group = 'another'")
    await inbox.ask("UPDATE delivery.inbox_partition SET next_offset = 0")
    await worker.read(log)
    await worker.read(log)
    assert (worker.repeats, len(await inbox.rows())) == (0, 2)
