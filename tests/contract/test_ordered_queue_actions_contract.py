"""What operators may do to an ordered queue, and what they are told: on both of its tables."""

from collections.abc import AsyncIterator

import pytest

from kits.ordered_queue.item import DONE, Item, Settlement
from kits.ordered_queue.ports import Gap
from tests.contract.queue_tables import FAILED, REFUSED, Queue, in_memory, in_sql, parcel, seen


class ActionsContract:
    """State changes by id: safe twice, and the running processes do the rest."""

    async def test_what_is_dead_is_redriven_without_its_attempts(self, queue: Queue) -> None:
        """Those behind it follow; asked again, the action changes nothing and says what the item does."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        dead, behind = queue.claims
        await queue.mine.settle([Settlement(dead, FAILED), Settlement(behind)])
        (again,) = await queue.look(limit=1)
        await queue.mine.settle([Settlement(again, REFUSED)])
        assert (await queue.act("redrive", dead.item, behind.item)).changed == [dead.item.id]
        twice = await queue.act("redrive", dead.item, behind.item, parcel("a", 9))
        assert (twice.changed, sorted(twice.refused.values())) == ([], ["missing", "waiting", "waiting"])
        claims = await queue.look()
        assert [seen(claim) for claim in claims] == [("a", 1, "done"), ("a", 2, "own")]
        assert [claim.item.attempts for claim in claims] == [0, 0]

    async def test_a_notice_takes_the_place_of_what_is_given_up(self, queue: Queue) -> None:
        """It travels under the same number, and what stood behind it goes when it is done."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        dead, behind = queue.claims
        await queue.mine.settle([Settlement(dead, REFUSED), Settlement(behind)])
        notice = parcel("a", 1)
        outcome = await queue.act("give_up", dead.item, notices=[notice])
        assert outcome.changed == [dead.item.id, notice.id]
        told, after = await queue.look()
        assert (told.item.id, after.item.number) == (notice.id, 2)
        twice = await queue.act("give_up", dead.item, notices=[parcel("a", 1)])
        assert (twice.changed, sorted(twice.refused.values())) == ([], ["given up", "taken"])

    async def test_what_is_given_up_without_a_notice_keeps_its_number(self, queue: Queue) -> None:
        """Nothing else may take it."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        dead, behind = queue.claims
        await queue.mine.settle([Settlement(dead, REFUSED), Settlement(behind)])
        await queue.act("give_up", dead.item)
        assert [seen(claim) for claim in await queue.look()] == [("a", 2, "done")]
        assert await queue.numbers("a") == [1, 2]

    async def test_what_may_be_on_its_way_is_not_given_up(self, queue: Queue) -> None:
        """What was never claimed is, and what is done is done."""
        await queue.add(parcel("a", 1), parcel("b", 1))
        away, done = queue.claims
        await queue.mine.settle([Settlement(done, DONE)])
        free = parcel("a", 2)
        await queue.add(free, claimed=False)
        outcome = await queue.act("give_up", away.item, done.item, free)
        assert (outcome.changed, outcome.refused) == (
            [free.id],
            {away.item.id: "waiting", done.item.id: "done"},
        )
        await queue.mine.settle([Settlement(away)])
        assert (await queue.act("give_up", away.item)).changed == []

    async def test_what_was_given_back_behind_a_dead_one_may_be_given_up_with_it(self, queue: Queue) -> None:
        """Nobody can have sent it; while its holder has not given it back, it may be on its way."""
        await queue.add(parcel("a", 1), parcel("a", 2), parcel("b", 1), parcel("b", 2))
        dead, behind, failed, after = queue.claims
        await queue.mine.settle(
            [Settlement(dead, REFUSED), Settlement(failed, FAILED, 600.0), Settlement(after)]
        )
        outcome = await queue.act("give_up", behind.item, after.item)
        assert outcome.refused == {behind.item.id: "waiting", after.item.id: "waiting"}
        await queue.mine.settle([Settlement(behind)])
        assert (await queue.act("give_up", dead.item, behind.item)).refused == {}

    async def test_what_is_replayed_goes_again_in_order(self, queue: Queue) -> None:
        """Also when what stood before it was deleted meanwhile; given up, it is done again in silence."""
        await queue.add(parcel("a", 1), parcel("a", 2), parcel("a", 3))
        first, second, third = queue.claims
        await queue.mine.settle([Settlement(claim, DONE) for claim in queue.claims])
        assert len((await queue.act("replay", second.item, third.item)).changed) == 2
        assert (await queue.act("replay", second.item)).refused == {second.item.id: "replayed"}
        again = await queue.look()
        assert [seen(claim) for claim in again] == [("a", 2, "done"), ("a", 3, "own")]
        await queue.mine.settle([Settlement(claim, DONE) for claim in again])
        await queue.month_passes()
        await queue.mine.delete_settled(limit=10)
        assert await queue.numbers("a") == [3]
        await queue.act("replay", third.item)
        outcome = await queue.act("give_up", third.item, notices=[parcel("a", 3)])
        assert (outcome.changed, list(outcome.refused.values())) == ([third.item.id], ["taken"])
        await queue.act("replay", third.item)
        assert [seen(claim) for claim in await queue.look()] == [("a", 3, "done")]
        assert first.item.number == 1

    async def test_a_notice_does_not_take_a_number_after_which_something_was_sent(self, queue: Queue) -> None:
        """Nor one that nothing waits behind."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        await queue.mine.settle([Settlement(claim, DONE) for claim in queue.claims])
        await queue.month_passes()
        await queue.mine.delete_settled(limit=10)
        early, late = parcel("a", 1), parcel("a", 9)
        outcome = await queue.act("give_up", notices=[early, late])
        assert outcome.refused == {early.id: "taken", late.id: "taken"}


class GapsContract(ActionsContract):
    """What is known of numbers that never came."""

    async def test_a_missing_number_is_listed_until_a_notice_fills_it(self, queue: Queue) -> None:
        """By its key, with what waits for it; a dead number holds its key as well."""
        await queue.add(parcel("a", 1), parcel("a", 4), parcel("b", 1), parcel("b", 2))
        done, dead, _ = queue.claims
        assert await queue.mine.gaps(10) == []
        await queue.month_passes()
        await queue.mine.settle([Settlement(done, DONE)])
        await queue.mine.settle([Settlement(dead, REFUSED)])
        (gap,) = await queue.mine.gaps(10)
        assert gap == Gap("a", 2, 3, 4, gap.age_seconds)
        assert 60.0 <= gap.age_seconds < 90.0
        backlog = await queue.mine.backlog()
        assert (backlog.gaps, backlog.blocked_keys, backlog.dead, backlog.waiting) == (1, 2, 1, 2)
        outcome = await queue.act("give_up", notices=[parcel("a", 2), parcel("a", 3)])
        assert len(outcome.changed) == 2
        assert await queue.mine.gaps(10) == []
        assert [claim.item.number for claim in await queue.look()] == [2, 3, 4]

    async def test_a_notice_begins_the_key_that_the_item_began(self, queue: Queue) -> None:
        """Or it would wait for a number that never was."""
        first = parcel("a", 7)
        await queue.add_first(first)
        await queue.mine.settle([Settlement(queue.claims[0], REFUSED)])
        notice = Item("00000000-0000-0000-0000-00000000000a", "a", 7, b"{}")
        await queue.act("give_up", first, notices=[notice])
        assert [claim.item.id for claim in await queue.look()] == [notice.id]


class TestInMemoryWithGaps(GapsContract):
    """The inbox of the simulation."""

    @pytest.fixture
    async def queue(self) -> Queue:
        """Empty."""
        return await in_memory(gaps=True)


class TestInMemoryGapless(ActionsContract):
    """The outbox of the simulation."""

    @pytest.fixture
    async def queue(self) -> Queue:
        """Empty."""
        return await in_memory(gaps=False)


class TestSqlWithGaps(GapsContract):
    """An inbox in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        async for queue in in_sql(empty_database_url, gaps=True, id_type="text"):
            yield queue


class TestSqlGapless(ActionsContract):
    """An outbox in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        async for queue in in_sql(empty_database_url, gaps=False):
            yield queue
