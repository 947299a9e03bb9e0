"""What operators see and decide: the ledger in PostgreSQL and the one of the unit tests alike."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from kits.kafka.records import TopicPartition
from kits.postgres.engine import create_engine
from tests.unit.worker.events import TOPIC, Sample, an_order
from tests.unit.worker.fakes import InMemoryLedger, an_event
from tests.unit.worker.stuck import GAP, NOTE, REJECTED, InMemoryStuckOrders
from worker.delivery.ports import Ledger
from worker.delivery.seq import Block, OrderState
from worker.delivery.stuck import Case, GivingUp, Lease, Standing, StuckOrders, Wanted
from worker.delivery.verdicts import Status, Verdict
from worker.ledger.deliveries import SqlLedger
from worker.ledger.stuck_orders import SqlStuckOrders

HERE = TopicPartition(TOPIC, 0)
ORDER = Case("o-1")
NAMELESS = Sample(value=b"{", without=frozenset({"ce_subject", "order_seq"}))


@dataclass
class Both:
    """The two sides of one ledger."""

    ledger: Ledger
    stuck: StuckOrders

    async def dead(self, *samples: Sample) -> None:
        """Dead letters."""
        for sample in samples:
            event = an_event(sample)
            event.attempts = 1
            await self.ledger.record([Verdict(event, Status.DEAD, event.failure or REJECTED)])

    async def held(self, *samples: Sample) -> None:
        """What is held."""
        await self.ledger.record([Verdict(an_event(sample), Status.HELD, GAP) for sample in samples])

    async def take(self, case: Case = ORDER) -> Lease:
        """A lease that is free."""
        lease = await self.stuck.take(case, NOTE)
        assert lease is not None
        return lease

    async def state(self) -> OrderState:
        """What the rules see of the order."""
        return (await self.ledger.look_up(["o-1"], [])).orders["o-1"]


class StuckOrdersContract:
    """The tests that both pass."""

    async def test_what_is_stuck_is_listed_by_what_was_asked(self, both: Both) -> None:
        """Every filter alone and together; the limit counts."""
        dead, held = an_order("o-1", 2)
        await both.dead(dead, Sample("o-2", 1), NAMELESS)
        await both.held(held)
        (found,) = await both.stuck.listed(Wanted(event_id=dead.event_id))
        assert (found.order_id, found.seq, found.status, found.event_type) == (
            "o-1",
            1,
            "dead",
            "order.created",
        )
        assert (found.error_class, found.code, found.attempts) == ("rejected", "http_422", 1)
        assert len(await both.stuck.listed(Wanted())) == 4
        assert len(await both.stuck.listed(Wanted(order_id="o-1"))) == 2
        assert len(await both.stuck.listed(Wanted(order_id="o-1", error_class="gap"))) == 1
        assert len(await both.stuck.listed(Wanted(error_class="unreadable"))) == 1
        assert len(await both.stuck.listed(Wanted(event_type="order.paid"))) == 0
        assert len(await both.stuck.listed(Wanted(limit=3))) == 3
        cases = await both.stuck.cases(Wanted())
        assert set(cases) == {ORDER, Case("o-2"), Case(None, NAMELESS.event_id)}
        assert len(await both.stuck.cases(Wanted(limit=2))) == 2

    async def test_a_lease_is_had_by_one(self, both: Both) -> None:
        """Until it is given back; one that is not ours gives nothing back."""
        await both.dead(Sample())
        lease = await both.take()
        assert await both.stuck.take(ORDER, NOTE) is None
        await both.stuck.release(Lease(ORDER, "0199aaaa-0000-7000-8000-000000000001"))
        assert await both.stuck.renew(lease)
        assert await both.stuck.take(ORDER, NOTE) is None
        await both.stuck.release(lease)
        assert not await both.stuck.renew(lease)
        assert await both.take() != lease

    async def test_the_worker_leaves_an_order_with_a_lease_alone(self, both: Both) -> None:
        """And has it again when the lease is given back."""
        first, second = an_order("o-1", 2)
        await both.held(second)
        await both.ledger.record([Verdict(an_event(first), Status.DELIVERED)])
        lease = await both.take()
        assert await both.ledger.resumable([HERE], limit=10) == []
        await both.stuck.release(lease)
        assert len(await both.ledger.resumable([HERE], limit=10)) == 1

    async def test_the_head_is_the_lowest_number_with_its_bytes_and_its_past(self, both: Both) -> None:
        """Delivered, the next one is the head; nothing open, no head."""
        first, second = an_order("o-1", 2)
        assert await both.stuck.head(ORDER) is None
        await both.dead(first)
        await both.held(second)
        head = await both.stuck.head(ORDER)
        assert head is not None
        assert (head.last_seq, head.is_dead, head.event.seq, head.event.attempts) == (0, True, 1, 1)
        assert (head.event.event_id, head.event.record.value) == (first.event_id, first.payload)
        await both.ledger.record([Verdict(head.event, Status.DELIVERED)])
        assert await both.state() == OrderState(1, Block.GAP)
        head = await both.stuck.head(ORDER)
        assert head is not None
        assert (head.last_seq, head.is_dead, head.event.seq) == (1, False, 2)

    async def test_a_dead_event_may_die_again_and_may_turn_out_to_be_a_repeat(self, both: Both) -> None:
        """Its attempts count; a number that was delivered meanwhile holds nothing."""
        sample = Sample(seq=1)
        await both.dead(sample)
        again = an_event(sample)
        again.attempts = 2
        await both.ledger.record([Verdict(again, Status.DEAD, REJECTED)])
        assert [found.attempts for found in await both.stuck.listed(Wanted())] == [2]
        await both.ledger.record([Verdict(again, Status.SKIPPED, REJECTED)])
        assert await both.stuck.standing(ORDER) == Standing(0, ())
        assert await both.state() == OrderState(0)

    async def test_a_decision_closes_its_events_and_moves_the_order_on(self, both: Both) -> None:
        """What is open beside it holds the order still; the number only grows."""
        samples = an_order("o-1", 3)
        await both.dead(samples[0])
        await both.held(*samples[1:])
        lease = await both.take()
        skip = GivingUp(Status.SKIPPED, (samples[0].event_id,), ((1, samples[0].event_id),), 1)
        assert await both.stuck.give_up(lease, skip, NOTE)
        assert await both.state() == OrderState(1, Block.GAP)
        assert [event.seq for event in (await both.stuck.standing(ORDER)).events] == [2, 3]
        ids = tuple(sample.event_id for sample in samples)
        assert await both.stuck.give_up(lease, GivingUp(Status.DISCARDED, ids, (), 0), NOTE)
        assert await both.state() == OrderState(1)
        assert (await both.stuck.standing(ORDER)).events == ()

    async def test_without_the_lease_nothing_is_decided(self, both: Both) -> None:
        """A command that was frozen for too long comes too late."""
        sample = Sample(seq=1)
        await both.dead(sample)
        lost = await both.take()
        await both.stuck.release(lost)
        await both.take()
        decision = GivingUp(Status.SKIPPED, (sample.event_id,), ((1, sample.event_id),), 1)
        assert not await both.stuck.give_up(lost, decision, NOTE)
        assert await both.state() == OrderState(0, Block.DEAD)

    async def test_an_event_without_an_order_is_given_up_by_itself(self, both: Both) -> None:
        """Its lease is always free, since it holds nothing."""
        await both.dead(NAMELESS)
        case = Case(None, NAMELESS.event_id)
        lease = await both.take(case)
        assert len((await both.stuck.standing(case)).events) == 1
        assert await both.stuck.renew(lease)
        decision = GivingUp(Status.DISCARDED, (NAMELESS.event_id,), (), 0)
        assert await both.stuck.give_up(lease, decision, NOTE)
        assert await both.stuck.head(case) is None


class TestInMemoryStuckOrders(StuckOrdersContract):
    """Those of the unit tests."""

    @pytest.fixture
    def both(self) -> Both:
        """Empty."""
        ledger = InMemoryLedger()
        return Both(ledger, InMemoryStuckOrders(ledger))


class TestSqlStuckOrders(StuckOrdersContract):
    """Those in PostgreSQL."""

    @pytest.fixture
    async def both(self, database_url: str) -> AsyncIterator[Both]:
        """Empty, beside the ledger of another group that must not be seen."""
        engine = create_engine(database_url, application_name="test-ledger")
        other = Both(SqlLedger(engine, group="another"), SqlStuckOrders(engine, group="another"))
        await other.dead(Sample("o-1", 1), Sample("o-9", 1))
        yield Both(SqlLedger(engine, group="test-group"), SqlStuckOrders(engine, group="test-group"))
        await engine.dispose()
