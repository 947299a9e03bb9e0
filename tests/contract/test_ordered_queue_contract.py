"""What every table of an ordered queue promises: that in PostgreSQL and that of the simulation alike."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from kits.ordered_queue.clock import BootClock, Clock
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item
from kits.ordered_queue.lane import MAX_RUN
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.result import DONE, Kind, Result, Settlement
from kits.ordered_queue.sql_enqueue import Arrival, Enqueue
from kits.ordered_queue.sql_store import SqlStore
from kits.ordered_queue.store import Store
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from tests.unit.ordered_queue.in_memory import InMemoryStore, InMemoryTable

LEASE = Lease(10.0)
ME, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
REFUSED = Result(Kind.REFUSED, "schema", "it does not fit")
FAILED = Result(Kind.FAILED, "timeout", "no answer")
AWAY = Result(Kind.UNAVAILABLE, "503", "away")
_TABLE = """
CREATE TABLE parcels (
    id uuid PRIMARY KEY, key text NOT NULL, number bigint, payload bytea NOT NULL, payload_size int NOT NULL,
    is_first boolean NOT NULL DEFAULT false, attempts int NOT NULL DEFAULT 0, done_at timestamptz,
    dead_at timestamptz, given_up_at timestamptz, replayed_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(), token uuid, claim bigint NOT NULL,
    lease_until timestamptz, error text, UNIQUE (key, number));
CREATE INDEX ON parcels (due_at, id) WHERE done_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
"""
Enqueued = tuple[dict[str, Arrival], list[Claim]]


class Row(msgspec.Struct):
    """What is stored of an item."""

    id: str
    key: str
    number: int
    payload: bytes
    is_first: bool = False


class Queue:
    """The stores of two processes, and what only a test does: transactions, and time that passes."""

    def __init__(
        self,
        stores: dict[str, Store],
        add: Callable[[str, Sequence[Item], bool], Awaitable[Enqueued]],
        passes: Callable[[], Awaitable[None]],
        replay: Callable[[str], Awaitable[None]],
        ages: Callable[[], Awaitable[None]],
    ) -> None:
        self.mine, self.others = stores[ME], stores[OTHER]
        self._add = add
        self.time_passes = passes
        self.replay = replay
        self.month_passes = ages

    async def add(self, *items: Item, claimed: bool = True, by: str = ME) -> list[tuple[str, int, str]]:
        """One transaction; key, number and predecessor of what was born claimed."""
        self.arrivals, self.claims = await self._add(by, items, claimed)
        return [_seen(claim) for claim in self.claims]

    async def look(
        self, store: Store | None = None, *, limit: int = 100, max_bytes: int = 10_000
    ) -> list[Claim]:
        """What one look claims."""
        looked = await (store or self.mine).claim(limit=limit, max_bytes=max_bytes)
        return list(looked.claims)


def parcel(key: str, number: int, payload: bytes = b"{}") -> Item:
    """A new item."""
    return Item(str(uuid.uuid4()), key, number, payload)


def _seen(claim: Claim) -> tuple[str, int, str]:
    return claim.item.key, claim.item.number, claim.predecessor.value


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
        assert [_seen(claim) for claim in claims] == [("a", 1, "done"), ("a", 2, "own")]
        assert all(claim.relayed for claim in claims)
        assert await queue.look() == []

    async def test_behind_an_open_number_only_its_holder_may_claim(self, queue: Queue) -> None:
        """By birth, and by a look."""
        await queue.add(parcel("a", 1))
        assert await queue.add(parcel("a", 2), by=OTHER) == []
        assert await queue.look(queue.others) == []
        assert await queue.add(parcel("a", 3)) == []
        assert [_seen(claim) for claim in await queue.look()] == [("a", 2, "own"), ("a", 3, "own")]

    async def test_behind_a_done_number_anybody_may_claim(self, queue: Queue) -> None:
        """However long ago."""
        await queue.add(parcel("a", 1))
        await queue.mine.mark_done([(queue.claims[0], DONE)])
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
        assert [_seen(claim) for claim in await queue.look(limit=1)] == [("a", 1, "done")]
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

    async def test_a_claim_lasts_as_long_as_its_lease(self, queue: Queue) -> None:
        """Then another process may have it, and writes under the old claim change nothing."""
        await queue.add(parcel("a", 1))
        (old,) = queue.claims
        assert await queue.look(queue.others) == []
        await queue.time_passes()
        (new,) = await queue.look(queue.others)
        assert (new.nth, new.item.id) == (2, old.item.id)
        assert await queue.mine.renew([old]) == set()
        assert await queue.mine.mark_done([(old, DONE)]) == 0
        assert await queue.mine.settle([Settlement(old)]) == 0
        assert await queue.others.renew([new]) == {(new.item.id, 2)}
        assert await queue.others.mark_done([(new, DONE)]) == 1

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
        assert await queue.mine.settle([Settlement(kept, FAILED, wait_seconds=600.0)]) == 1
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
        await queue.mine.mark_done([(claim, DONE) for claim in queue.claims])
        await queue.replay(queue.claims[0].item.id)
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
        await queue.mine.mark_done([(claim, DONE) for claim in (first, second, other)])
        await queue.mine.settle([Settlement(waiting)])
        assert await queue.mine.delete_settled(limit=10) == 0
        await queue.month_passes()
        assert await queue.mine.delete_settled(limit=10) == 1
        assert await queue.mine.delete_settled(limit=10) == 0
        assert [claim.item.number for claim in await queue.look()] == [2]


class GapsContract(QueueContract):
    """What a table promises whose missing numbers may come yet."""

    async def test_what_stands_behind_a_missing_number_waits_for_it(self, queue: Queue) -> None:
        """It goes by itself when the number comes."""
        assert await queue.add(parcel("a", 1), parcel("a", 3)) == [("a", 1, "done")]
        await queue.mine.mark_done([(queue.claims[0], DONE)])
        assert await queue.look() == []
        assert await queue.add(parcel("a", 2)) == [("a", 2, "done")]


class GaplessContract(QueueContract):
    """What a table promises whose numbers come in the order of commits."""

    async def test_a_missing_number_was_deleted(self, queue: Queue) -> None:
        """Nothing waits for it."""
        assert await queue.add(parcel("a", 7)) == [("a", 7, "done")]
        await queue.mine.mark_done([(queue.claims[0], DONE)])
        assert await queue.add(parcel("a", 9)) == [("a", 9, "done")]


async def _until_one(queue: Queue) -> list[Claim]:
    claims: list[Claim] = []
    while not claims:
        claims = await queue.look(limit=1)
    return claims


async def _in_memory(*, gaps: bool) -> Queue:
    clock = _SteppedClock()
    table = InMemoryTable(clock, gaps=gaps)
    stores = {token: InMemoryStore(table, token=token, lease=LEASE, clock=clock) for token in (ME, OTHER)}

    async def add(token: str, items: Sequence[Item], claimed: bool) -> Enqueued:
        new = table.known(items)
        known = table.runs([(item, item.number == 1) for item in new], token) if claimed else {}
        arrivals = {
            item.id: table.insert(
                item, is_first=item.number == 1, why=known.get(item.id), token=token, lease=LEASE
            )
            for item in items
        }
        claims = [
            Claim(item, 1, known[item.id], LEASE.until(clock.now())) for item in new if item.id in known
        ]
        return arrivals, sorted(claims, key=lambda claim: (claim.item.key, claim.item.number))

    async def passes() -> None:
        clock.offset += LEASE.seconds + 1.0

    async def replay(item_id: str) -> None:
        table.replay(table.rows[item_id])

    async def ages() -> None:
        for row in table.rows.values():
            row.done_at = None if row.done_at is None else row.done_at - 31 * 86_400.0

    return Queue(dict(stores), add, passes, replay, ages)


class _SteppedClock:
    def __init__(self) -> None:
        self.offset = 0.0
        self._clock: Clock = BootClock()

    def now(self) -> float:
        return self._clock.now() + self.offset


class _Parcels(SqlStore):
    def item_of(self, row: Any) -> Item:
        return Item(str(row["id"]), row["key"], row["number"], row["payload"], row["attempts"])


async def _sql(url: str, *, gaps: bool) -> AsyncIterator[Queue]:
    engine = create_engine(url, application_name="test-queue")
    table = QueueTable("parcels", gaps=gaps, extra={} if gaps else {"is_first": "boolean"})
    clock = BootClock()
    async with engine.begin() as connection:
        for statement in _TABLE.split(";"):
            await connection.execute(text(statement))
    stores = {token: _Parcels(engine, table, token=token, lease=LEASE, clock=clock) for token in (ME, OTHER)}
    ways = {token: Enqueue(table, token=token, lease=LEASE, clock=clock) for token in (ME, OTHER)}

    async def add(token: str, items: Sequence[Item], claimed: bool) -> Enqueued:
        rows = [Row(item.id, item.key, item.number, item.payload, item.number == 1) for item in items]
        async with driver_transaction(engine) as connection:
            return await ways[token].add(connection, items, rows, claimed=claimed)

    async def run(statement: str, **values: str) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def passes() -> None:
        await run("UPDATE parcels SET lease_until = lease_until - interval '11 s' WHERE token IS NOT NULL")

    async def replay(item_id: str) -> None:
        await run(
            "UPDATE parcels SET done_at = NULL, replayed_at = now(), due_at = now()"
            " WHERE id = CAST(:id AS uuid)",
            id=item_id,
        )

    async def ages() -> None:
        await run("UPDATE parcels SET done_at = done_at - interval '31 days'")

    yield Queue(dict(stores), add, passes, replay, ages)
    await engine.dispose()


class TestInMemoryWithGaps(GapsContract):
    """The inbox of the simulation."""

    @pytest.fixture
    async def queue(self) -> Queue:
        """Empty."""
        return await _in_memory(gaps=True)


class TestInMemoryGapless(GaplessContract):
    """The outbox of the simulation."""

    @pytest.fixture
    async def queue(self) -> Queue:
        """Empty."""
        return await _in_memory(gaps=False)


class TestSqlWithGaps(GapsContract):
    """An inbox in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        async for queue in _sql(empty_database_url, gaps=True):
            yield queue


class TestSqlGapless(GaplessContract):
    """An outbox in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        async for queue in _sql(empty_database_url, gaps=False):
            yield queue
