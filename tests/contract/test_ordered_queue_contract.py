"""What every table of an ordered queue promises: that in PostgreSQL and that of the simulation alike."""

from collections.abc import AsyncIterator

import pytest

from kits.ordered_queue.item import DONE, Claim, Settlement
from kits.ordered_queue.lane import MAX_RUN, MAX_RUN_BYTES
from kits.ordered_queue.sql_store import Arrival
from tests.contract.queue_tables import AWAY, FAILED, OTHER, REFUSED, Queue, in_memory, in_sql, parcel, seen


class QueueContract:
    """The tests that every table passes."""

    async def test_a_run_is_born_claimed_together_and_says_why(self, queue: Queue) -> None:
        """Only its head stands behind what is done; keys do not know each other."""
        born = await queue.add(parcel("b", 1), parcel("a", 2), parcel("a", 1))
        assert born == [("a", 1, "done"), ("a", 2, "own"), ("b", 1, "done")]
        assert not any(claim.relayed for claim in queue.claims)
        assert [claim.nth for claim in queue.claims] == [1, 1, 1]

    async def test_nothing_is_born_claimed_if_its_writer_does_not_want_it(self, queue: Queue) -> None:
        """A look finds the run then, with the same grounds."""
        assert await queue.add(parcel("a", 1), parcel("a", 2), claimed=False) == []
        claims = await queue.look()
        assert [seen(claim) for claim in claims] == [("a", 1, "done"), ("a", 2, "own")]
        assert all(claim.relayed for claim in claims)
        assert await queue.look() == []

    async def test_behind_an_open_number_only_its_holder_may_claim(self, queue: Queue) -> None:
        """By birth, and by a look."""
        await queue.add(parcel("a", 1))
        assert await queue.add(parcel("a", 2), by=OTHER) == []
        assert await queue.look(queue.others) == []
        assert await queue.add(parcel("a", 3)) == []
        assert [seen(claim) for claim in await queue.look()] == [("a", 2, "own"), ("a", 3, "own")]

    async def test_behind_a_done_number_anybody_may_claim(self, queue: Queue) -> None:
        """However long ago."""
        await queue.add(parcel("a", 1))
        await queue.mine.settle([Settlement(queue.claims[0], DONE)])
        assert await queue.add(parcel("a", 2), by=OTHER) == [("a", 2, "done")]

    async def test_what_the_table_knows_is_not_inserted_again(self, queue: Queue) -> None:
        """The same id is known; the same number under another id is taken; neither is claimed."""
        first, second = parcel("a", 1), parcel("a", 2)
        await queue.add(first, second)
        again = parcel("a", 2)
        assert await queue.add(first, again, parcel("a", 3)) == [("a", 3, "own")]
        arrivals = queue.arrivals
        assert (arrivals[first.id], arrivals[again.id]) == (Arrival.KNOWN, Arrival.TAKEN)

    async def test_what_comes_twice_at_once_is_claimed_once(self, queue: Queue) -> None:
        """Or the second claim, given back, would set the row free while the first is on its way."""
        first = parcel("a", 1)
        assert await queue.add(first, first, parcel("a", 2)) == [("a", 1, "done"), ("a", 2, "own")]

    async def test_a_look_cuts_behind_the_head_of_a_run(self, queue: Queue) -> None:
        """By number of items and by bytes; one item goes however large it is."""
        await queue.add(*(parcel("a", number, b"x" * 50) for number in range(1, 5)), claimed=False)
        assert [seen(claim) for claim in await queue.look(limit=1)] == [("a", 1, "done")]
        assert [claim.item.number for claim in await queue.look(max_bytes=60)] == [2, 3]
        await queue.add(parcel("big", 1, b"x" * 500), claimed=False)
        assert [claim.item.key for claim in await queue.look(limit=2, max_bytes=1)] == ["a"]
        assert [claim.item.key for claim in await queue.look(limit=2, max_bytes=1)] == ["big"]

    async def test_a_run_is_cut_behind_its_head_also_if_the_head_is_due_later(self, queue: Queue) -> None:
        """Or what follows would be claimed and given back for ever."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        first, second = queue.claims
        await queue.mine.settle([Settlement(first, FAILED, wait_seconds=0.001), Settlement(second)])
        claims = await _until_one(queue)
        assert [claim.item.number for claim in claims] == [1]

    async def test_a_run_has_a_longest_length(self, queue: Queue) -> None:
        """The rest waits in the table."""
        born = await queue.add(*(parcel("a", number) for number in range(1, MAX_RUN + 3)))
        assert len(born) == MAX_RUN

    @pytest.mark.parametrize("claimed", [True, False])
    async def test_a_run_has_a_largest_size(self, queue: Queue, claimed: bool) -> None:
        """So one key does not take the room of all; a single item may exceed it."""
        large = [parcel("a", number, b"x" * (MAX_RUN_BYTES * 2 // 5)) for number in range(1, 6)]
        await queue.add(*large, parcel("b", 1, b"x" * (MAX_RUN_BYTES + 1)), claimed=claimed)
        claims = queue.claims if claimed else await queue.look(max_bytes=10 * MAX_RUN_BYTES)
        assert [seen(claim)[:2] for claim in claims] == [("a", 1), ("a", 2), ("a", 3), ("b", 1)]

    async def test_a_claim_lasts_as_long_as_its_lease(self, queue: Queue) -> None:
        """Then another process may have it, and writes under the old claim change nothing."""
        await queue.add(parcel("a", 1))
        (old,) = queue.claims
        assert await queue.look(queue.others) == []
        await queue.time_passes()
        (new,) = await queue.look(queue.others)
        assert (new.nth, new.item.id) == (2, old.item.id)
        assert await queue.mine.renew([old]) == set()
        assert await queue.mine.settle([Settlement(old, DONE)]) == 0
        assert await queue.mine.settle([Settlement(old)]) == 0
        assert await queue.others.renew([new]) == {(new.item.id, 2)}
        assert await queue.others.settle([Settlement(new, DONE)]) == 1

    async def test_an_older_claim_of_the_same_process_changes_nothing(self, queue: Queue) -> None:
        """The claim number tells them apart."""
        await queue.add(parcel("a", 1))
        (old,) = queue.claims
        await queue.time_passes()
        (new,) = await queue.look()
        assert await queue.mine.settle([Settlement(old)]) == 0
        assert await queue.mine.renew([old, new]) == {(new.item.id, 2)}

    async def test_what_is_given_back_may_be_claimed_at_once(self, queue: Queue) -> None:
        """By anybody, and no attempt is charged."""
        await queue.add(parcel("a", 1))
        assert await queue.mine.settle([Settlement(queue.claims[0])]) == 1
        (claim,) = await queue.look(queue.others)
        assert claim.item.attempts == 0

    async def test_what_failed_waits_and_is_charged(self, queue: Queue) -> None:
        """What met an absent sink is not."""
        await queue.add(parcel("a", 1), parcel("b", 1), parcel("c", 1))
        failed, away, kept = queue.claims
        assert await queue.mine.settle([Settlement(failed, FAILED), Settlement(away, AWAY)]) == 2
        assert await queue.mine.settle([Settlement(kept, FAILED, wait_seconds=100.0)]) == 1
        claims = await queue.look()
        assert [(claim.item.key, claim.item.attempts) for claim in claims] == [("a", 1), ("b", 0)]

    async def test_a_dead_item_holds_its_key(self, queue: Queue) -> None:
        """Others go on."""
        await queue.add(parcel("a", 1), parcel("a", 2), parcel("b", 1))
        dead, behind, _ = queue.claims
        await queue.mine.settle([Settlement(dead, REFUSED), Settlement(behind)])
        await queue.time_passes()
        assert [claim.item.key for claim in await queue.look()] == ["b"]
        assert (await queue.mine.backlog()).dead == 1
        assert (await queue.mine.backlog()).waiting == 2

    async def test_a_replayed_item_that_is_refused_is_done_again(self, queue: Queue) -> None:
        """It was accepted once: it is no dead letter, and holds nothing."""
        await queue.add(parcel("a", 1), parcel("a", 2))
        await queue.mine.settle([Settlement(claim, DONE) for claim in queue.claims])
        await queue.act("replay", queue.claims[0].item)
        (again,) = await queue.look()
        await queue.mine.settle([Settlement(again, REFUSED)])
        assert (await queue.mine.backlog()).dead == 0
        assert await queue.add(parcel("a", 3)) == [("a", 3, "done")]

    async def test_retention_keeps_the_newest_of_a_key_and_what_another_waits_behind(
        self, queue: Queue
    ) -> None:
        """Also after a month; nothing younger goes at all."""
        await queue.add(parcel("a", 1), parcel("a", 2), parcel("b", 1), parcel("b", 2))
        first, second, other, waiting = queue.claims
        await queue.mine.settle([Settlement(claim, DONE) for claim in (first, second, other)])
        await queue.mine.settle([Settlement(waiting)])
        await queue.mine.delete_settled(limit=10)
        assert await queue.numbers("a") == [1, 2]
        await queue.month_passes()
        await queue.mine.delete_settled(limit=10)
        await queue.mine.delete_settled(limit=10)
        assert (await queue.numbers("a"), await queue.numbers("b")) == ([2], [1, 2])
        assert [claim.item.number for claim in await queue.look()] == [2]


class GapsContract(QueueContract):
    """What a table promises whose missing numbers may come yet."""

    async def test_what_stands_behind_a_missing_number_waits_for_it(self, queue: Queue) -> None:
        """It goes by itself when the number comes."""
        assert await queue.add(parcel("a", 1), parcel("a", 3)) == [("a", 1, "done")]
        await queue.mine.settle([Settlement(queue.claims[0], DONE)])
        assert await queue.look() == []
        assert await queue.add(parcel("a", 2)) == [("a", 2, "done")]


class GaplessContract(QueueContract):
    """What a table promises whose numbers come in the order of commits."""

    async def test_a_missing_number_was_deleted(self, queue: Queue) -> None:
        """Nothing waits for it."""
        assert await queue.add(parcel("a", 7)) == [("a", 7, "done")]
        await queue.mine.settle([Settlement(queue.claims[0], DONE)])
        assert await queue.add(parcel("a", 9)) == [("a", 9, "done")]


async def _until_one(queue: Queue) -> list[Claim]:
    claims: list[Claim] = []
    while not claims:
        claims = await queue.look(limit=1)
    return claims


class TestInMemoryWithGaps(GapsContract):
    """The inbox of the simulation."""

    @pytest.fixture
    async def queue(self) -> Queue:
        """Empty."""
        return await in_memory(gaps=True)


class TestInMemoryGapless(GaplessContract):
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
        async for queue in in_sql(empty_database_url, gaps=True):
            yield queue


class TestSqlGapless(GaplessContract):
    """An outbox in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        async for queue in in_sql(empty_database_url, gaps=False):
            yield queue
