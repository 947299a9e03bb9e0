"""What every ledger promises: the one in PostgreSQL and the one of the unit tests alike."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from kits.kafka.records import TopicPartition
from kits.postgres.engine import create_engine
from tests.unit.worker.events import TOPIC, Sample, an_order
from tests.unit.worker.fakes import InMemoryLedger, an_event
from worker.delivery.event import failure
from worker.delivery.ports import Ledger
from worker.delivery.seq import Block, OrderState
from worker.delivery.verdicts import Recorded, Status, Verdict
from worker.ledger.deliveries import SqlLedger

HERE = TopicPartition(TOPIC, 0)
ELSEWHERE = TopicPartition(TOPIC, 1)
FAILED_AT = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
REASONS = {
    Status.DEAD: failure("rejected", "http_422", "no such product"),
    Status.HELD: failure("gap", "gap", "an earlier number is missing"),
    Status.SKIPPED: failure("repeat", "repeat", "delivered before"),
}
BLOCKED = failure("blocked", "blocked", "an earlier event is dead")


def verdict(sample: Sample, status: Status, *, baseline: bool = False) -> Verdict:
    """A verdict about an event."""
    return Verdict(an_event(sample), status, REASONS.get(status), baseline)


def parked(sample: Sample, *, attempts: int = 1, wait: float = 60.0, baseline: bool = False) -> Verdict:
    """The verdict about an event that fails alone."""
    event = an_event(sample)
    event.attempts, event.first_failed_at, event.last_failed_at = attempts, FAILED_AT, FAILED_AT
    reason = failure("failing_alone", "http_500", "no idea")
    return Verdict(event, Status.RETRYING, reason, baseline, wait)


async def record(ledger: Ledger, *samples: Sample, status: Status = Status.DELIVERED) -> Recorded:
    """Record the same verdict for these events."""
    return await ledger.record([verdict(sample, status) for sample in samples])


async def state(ledger: Ledger, order_id: str = "o-1") -> OrderState | None:
    """What the ledger knows of an order."""
    return (await ledger.look_up([order_id], [])).orders.get(order_id)


async def resumable(ledger: Ledger) -> list[int]:
    """The numbers of the held events whose turn has come."""
    kept = await ledger.resumable([HERE], limit=100)
    return [int(dict(found.record.headers)["order_seq"]) for found in kept]


class LedgerContract:
    """The tests that every ledger passes."""

    async def test_an_unknown_order_and_an_unknown_event_are_not_there(self, ledger: Ledger) -> None:
        """Nothing is made up."""
        known = await ledger.look_up(["o-1"], ["e-1"])
        assert (known.orders, known.event_ids) == ({}, set())
        assert (await ledger.look_up([], [])).orders == {}

    async def test_delivered_events_move_their_orders_on_and_are_known(self, ledger: Ledger) -> None:
        """Many orders and many events of one order in one write."""
        first, second = an_order("o-1", 3), an_order("o-2", 2)
        recorded = await record(ledger, *first, *second)
        assert (recorded.states, recorded.undecided) == ({}, [])
        ids = [sample.event_id for sample in (*first, *second)]
        known = await ledger.look_up(["o-1", "o-2", "o-3"], [*ids, "another"])
        assert known.orders == {"o-1": OrderState(3), "o-2": OrderState(2)}
        assert known.event_ids == set(ids)

    async def test_recording_twice_changes_nothing_and_the_last_seq_only_grows(self, ledger: Ledger) -> None:
        """An unknown COMMIT is repeated; a worker that woke up late writes what is long known."""
        order = an_order("o-1", 3)
        await record(ledger, *order)
        await record(ledger, *order)
        await record(ledger, order[0])
        assert await state(ledger) == OrderState(3)

    async def test_a_dead_event_blocks_its_order_and_no_other(self, ledger: Ledger) -> None:
        """What follows it can be held."""
        await record(ledger, Sample(seq=1), Sample("o-2", 1))
        dead, held = Sample(seq=2), Sample(seq=3)
        recorded = await record(ledger, dead, status=Status.DEAD)
        assert recorded.states == {"o-1": OrderState(1, Block.DEAD)}
        recorded = await ledger.record([Verdict(an_event(held), Status.HELD, BLOCKED)])
        assert not recorded.undecided
        assert await state(ledger) == OrderState(1, Block.DEAD)
        assert await state(ledger, "o-2") == OrderState(1)
        assert await resumable(ledger) == []

    async def test_a_dead_event_that_another_worker_has_delivered_is_judged_again(
        self, ledger: Ledger
    ) -> None:
        """Decided under the lock: its number is behind the order's mark, so it blocks nothing."""
        await record(ledger, *an_order("o-1", 2))
        late = verdict(Sample(seq=2), Status.DEAD)
        recorded = await ledger.record([late])
        assert recorded.undecided == [late]
        assert recorded.states == {"o-1": OrderState(2)}
        assert not (await ledger.look_up([], [late.event.event_id])).event_ids

    async def test_an_event_is_not_held_when_its_turn_has_come_meanwhile(self, ledger: Ledger) -> None:
        """Another worker has filled the gap, or an operator has let the order go."""
        await record(ledger, *an_order("o-1", 2))
        turn, repeat = verdict(Sample(seq=3), Status.HELD), verdict(Sample(seq=1), Status.HELD)
        freed = Verdict(an_event(Sample(seq=7)), Status.HELD, BLOCKED)
        recorded = await ledger.record([turn, repeat, freed])
        assert set(recorded.undecided) == {turn, repeat, freed}
        assert recorded.states == {"o-1": OrderState(2)}

    async def test_verdicts_of_one_order_in_one_write_build_on_each_other(self, ledger: Ledger) -> None:
        """Delivered, dead, held: in the order in which they are given."""
        one, two, three = an_order("o-1", 3)
        recorded = await ledger.record(
            [
                verdict(one, Status.DELIVERED),
                verdict(two, Status.DEAD),
                Verdict(an_event(three), Status.HELD, BLOCKED),
            ]
        )
        assert recorded.states == {"o-1": OrderState(1, Block.DEAD)}
        assert not recorded.undecided

    async def test_held_events_go_when_the_gap_is_filled_and_only_without_a_hole(
        self, ledger: Ledger
    ) -> None:
        """3, 4 and 6 are held; 2 arrives: 3 and 4 may go, 6 when 5 was there."""
        held = {seq: Sample(seq=seq) for seq in (3, 4, 6)}
        await record(ledger, Sample(seq=1))
        recorded = await record(ledger, *held.values(), status=Status.HELD)
        assert recorded.states == {"o-1": OrderState(1, Block.GAP)}
        assert await resumable(ledger) == []
        recorded = await record(ledger, Sample(seq=2))
        assert recorded.states == {"o-1": OrderState(2, Block.GAP)}
        assert await resumable(ledger) == [3, 4]
        await record(ledger, held[3], held[4])
        assert await state(ledger) == OrderState(4, Block.GAP)
        assert await resumable(ledger) == []
        await record(ledger, Sample(seq=5))
        assert await resumable(ledger) == [6]
        recorded = await record(ledger, held[6])
        assert recorded.states == {"o-1": OrderState(6)}
        assert await resumable(ledger) == []

    async def test_a_held_event_comes_back_byte_for_byte(self, ledger: Ledger) -> None:
        """Key, payload and headers, whatever bytes they have, and the place that it came from."""
        strange = Sample(seq=2, value=b"\x00\xff{", headers={"x": b"\x00\xfe", "empty": b""})
        await record(ledger, strange, status=Status.HELD)
        await record(ledger, Sample(seq=1))
        (kept,) = await ledger.resumable([HERE], limit=10)
        found = kept.record
        sent = strange.incoming(found.offset)
        assert (found.key, found.value, found.headers) == (sent.key, sent.value, sent.headers)
        assert found.topic_partition == HERE

    async def test_only_the_owner_of_a_partition_gets_its_held_events(self, ledger: Ledger) -> None:
        """And no more than it asks for."""
        await record(ledger, Sample(seq=2), Sample(seq=3), status=Status.HELD)
        await record(ledger, Sample(seq=1))
        assert await ledger.resumable([ELSEWHERE], limit=10) == []
        assert await ledger.resumable([], limit=10) == []
        assert len(await ledger.resumable([HERE, ELSEWHERE], limit=1)) == 1

    async def test_a_parked_event_blocks_its_order_like_a_gap_and_comes_back_when_it_is_due(
        self, ledger: Ledger
    ) -> None:
        """With its attempts and the time of its first failure; what follows is held until it is delivered."""
        bad, later = an_order("o-1", 2)
        recorded = await ledger.record([parked(bad, attempts=2, wait=60.0)])
        assert recorded.states == {"o-1": OrderState(0, Block.GAP)}
        await ledger.record([Verdict(an_event(later), Status.HELD, BLOCKED)])
        assert await resumable(ledger) == []
        assert (await ledger.look_up([], [bad.event_id])).event_ids == {bad.event_id}
        await ledger.record([parked(bad, attempts=3, wait=0.0)])
        (kept,) = await ledger.resumable([HERE], limit=10)
        assert (kept.is_parked, kept.attempts, kept.first_failed_at) == (True, 3, FAILED_AT)
        assert kept.record.value == bad.payload
        assert await ledger.resumable([ELSEWHERE], limit=10) == []
        recorded = await record(ledger, bad)
        assert recorded.states == {"o-1": OrderState(1, Block.GAP)}
        assert await resumable(ledger) == [2]

    async def test_a_repeat_that_is_parked_too_does_not_make_the_history_shorter(
        self, ledger: Ledger
    ) -> None:
        """The topic may bring an event again that waits in the ledger."""
        bad = Sample()
        await ledger.record([parked(bad, attempts=4, wait=0.0)])
        await ledger.record([parked(bad, attempts=1, wait=0.0)])
        (kept,) = await ledger.resumable([HERE], limit=10)
        assert kept.attempts == 4

    async def test_an_event_is_not_parked_when_it_is_not_its_turn(self, ledger: Ledger) -> None:
        """Delivered by another worker meanwhile, or behind a dead letter."""
        await record(ledger, *an_order("o-1", 2))
        await record(ledger, Sample("o-2", 1), status=Status.DEAD)
        late = [parked(Sample("o-1", 2)), parked(Sample("o-1", 4)), parked(Sample("o-2", 1))]
        assert (await ledger.record(late)).undecided == late

    async def test_parking_the_first_event_of_an_order_whose_beginning_is_gone_settles_where_it_begins(
        self, ledger: Ledger
    ) -> None:
        """Whoever resumes it knows nothing of the log any more."""
        recorded = await ledger.record([parked(Sample(seq=4), baseline=True)])
        assert recorded.states == {"o-1": OrderState(3, Block.GAP)}
        assert await state(ledger) == OrderState(3, Block.GAP)

    async def test_a_parked_event_that_dies_blocks_its_order_for_good(self, ledger: Ledger) -> None:
        """It is not resumed any more."""
        bad = Sample()
        await ledger.record([parked(bad, wait=0.0)])
        recorded = await record(ledger, bad, status=Status.DEAD)
        assert recorded.states == {"o-1": OrderState(0, Block.DEAD)}
        assert await resumable(ledger) == []

    async def test_a_held_event_that_is_refused_becomes_a_dead_letter_of_its_order(
        self, ledger: Ledger
    ) -> None:
        """What follows stays held, now behind the dead one."""
        held = [Sample(seq=2), Sample(seq=3)]
        await record(ledger, *held, status=Status.HELD)
        await record(ledger, Sample(seq=1))
        recorded = await record(ledger, held[0], status=Status.DEAD)
        assert recorded.states == {"o-1": OrderState(1, Block.DEAD)}
        assert await resumable(ledger) == []

    async def test_a_held_event_whose_number_was_delivered_by_another_is_skipped(
        self, ledger: Ledger
    ) -> None:
        """A second event with the same number cannot block its order for ever."""
        double = Sample(seq=2)
        await record(ledger, double, status=Status.HELD)
        await record(ledger, *an_order("o-1", 2))
        assert await resumable(ledger) == [2]
        recorded = await record(ledger, double, status=Status.SKIPPED)
        assert recorded.states == {"o-1": OrderState(2)}
        assert await resumable(ledger) == []

    async def test_a_dead_event_of_an_unknown_order_holds_nothing(self, ledger: Ledger) -> None:
        """It is known by its id, also when it comes twice in one write."""
        nameless = Sample(value=b"{", without=frozenset({"ce_subject", "order_seq"}))
        recorded = await record(ledger, nameless, nameless, status=Status.DEAD)
        assert recorded.states == {}
        assert (await ledger.look_up([], [nameless.event_id])).event_ids == {nameless.event_id}

    async def test_where_a_partition_began_is_remembered_once(self, ledger: Ledger) -> None:
        """The first sight counts."""
        assert await ledger.first_offsets() == {}
        await ledger.add_partitions({HERE: 7})
        await ledger.add_partitions({HERE: 9, ELSEWHERE: 0})
        assert await ledger.first_offsets() == {HERE: 7, ELSEWHERE: 0}


class TestInMemoryLedger(LedgerContract):
    """The ledger of the unit tests."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        """Empty."""
        return InMemoryLedger()


class TestSqlLedger(LedgerContract):
    """The ledger in PostgreSQL."""

    @pytest.fixture
    async def ledger(self, database_url: str) -> AsyncIterator[Ledger]:
        """Empty, beside one of another group that must not be seen."""
        engine = create_engine(database_url, application_name="test-ledger")
        other = SqlLedger(engine, group="another-group")
        await record(other, Sample(seq=9), status=Status.DEAD)
        await other.add_partitions({HERE: 99})
        yield SqlLedger(engine, group="test-group")
        await engine.dispose()
