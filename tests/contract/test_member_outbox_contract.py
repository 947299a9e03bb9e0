"""The table of the members' outbox keeps what every ordered queue promises."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from contracts.member_events import MEMBER_UPDATED_V2
from kits.ordered_queue.actions import Actions, Outcome
from kits.ordered_queue.item import DONE, Item, Kind, Result, Settlement
from kits.ordered_queue.ports import Store
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from kits.resilience.clock import BootClock
from services.members.outbox.table import MemberEventStore, MemberItem, member_queue
from tests.contract.queue_tables import LEASE, ME, OTHER, Enqueued, Queue, parcel
from tests.contract.test_ordered_queue_contract import GaplessContract

TOLD = Result(Kind.DONE, written=(0, 7))


class Told(MemberEventStore):
    """Whatever is done stands at one place of the log."""

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        return await super().settle(
            [Settlement(one.claim, TOLD) if one.result is DONE else one for one in settlements]
        )


class MemberTable:
    """The table behind the contract's face."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, application_name="test-member-outbox")
        self._table, clock = member_queue("members"), BootClock()
        self.stores: dict[str, Store] = {}
        self._enqueue: dict[str, Enqueue] = {}
        for token in (ME, OTHER):
            self.stores[token] = Told(self.engine, self._table, token=token, lease=LEASE, clock=clock)
            self._enqueue[token] = Enqueue(self._table, token=token, lease=LEASE, clock=clock)

    async def add(
        self, by: str, items: Sequence[Item], *, claimed: bool, firsts: Sequence[Item] = ()
    ) -> Enqueued:
        assert not firsts, "numbers come in the order of commits here"
        rows = [
            MemberItem(
                *(each.id, each.key, each.number, each.payload),
                topic=MEMBER_UPDATED_V2,
                member_id=each.key,
                changed_at=datetime.now(UTC),
                traceparent="",
            )
            for each in items
        ]
        async with driver_transaction(self.engine) as connection:
            return await self._enqueue[by].add(connection, rows, rows, claimed=claimed)

    async def act(self, action: str, ids: Sequence[str], notices: Sequence[Item]) -> Outcome:
        assert (action, notices) == ("replay", ())
        async with driver_transaction(self.engine) as connection:
            return await Actions(self._table).replay(connection, ids)

    async def pass_lease(self) -> None:
        await self.run("UPDATE members.member_event SET lease_until = lease_until - interval '11 s'")

    async def pass_month(self) -> None:
        await self.run("UPDATE members.member_event SET done_at = done_at - interval '31 days'")

    async def numbers(self, key: str) -> list[int]:
        statement = text("SELECT number FROM members.member_event WHERE key = :key ORDER BY number")
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement, {"key": key})).scalars())

    async def run(self, statement: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))


class TestMemberOutboxContract(GaplessContract):
    """The events of members in PostgreSQL."""

    @pytest.fixture
    async def queue(self, empty_database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        way = MemberTable(empty_database_url)
        await History("members", schema="members").migrate(way.engine)
        yield Queue(way)
        await way.engine.dispose()

    async def test_retention_keeps_the_newest_of_a_key_and_what_another_waits_behind(
        self, queue: Queue
    ) -> None:
        """Not here: all that is told goes after a month, since it can be made anew from the member."""
        await queue.add(parcel("a", 1), parcel("b", 1), parcel("b", 2))
        await queue.mine.settle([Settlement(claim, TOLD) for claim in queue.claims[:2]])
        await queue.month_passes()
        await queue.mine.delete_settled(limit=10)
        assert (await queue.numbers("a"), await queue.numbers("b")) == ([], [2])
        assert await queue.add(parcel("a", 2)) == [("a", 2, "done")]

    async def test_a_number_that_nobody_told_is_no_gap(self, queue: Queue) -> None:
        """Version 1 may be silent for a while: what comes then goes at once."""
        await queue.add(parcel("v1:m", 1))
        await queue.mine.settle([Settlement(claim, TOLD) for claim in queue.claims])
        assert await queue.add(parcel("v1:m", 5), parcel("v1:m", 6)) == [
            ("v1:m", 5, "done"),
            ("v1:m", 6, "own"),
        ]
