"""The outbox's own table keeps what every ordered queue promises."""

from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import text

from app.outbox.recorder import row_of
from app.outbox.table import OutboxStore, item_of, outbox_queue
from kits.ordered_queue.actions import Actions, Outcome
from kits.ordered_queue.item import DONE, Item, Kind, Result, Settlement
from kits.ordered_queue.ports import Store
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from kits.resilience.clock import BootClock
from tests.builders import a_message
from tests.contract.queue_tables import LEASE, ME, OTHER, Enqueued, Queue, parcel
from tests.contract.test_ordered_queue_contract import GaplessContract

PUBLISHED = Result(Kind.DONE, written=(0, 7))


class Published(OutboxStore):
    """Whatever is done stands at one place of the log."""

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        return await super().settle(
            [Settlement(one.claim, PUBLISHED) if one.result is DONE else one for one in settlements]
        )


class Events:
    """The table behind the contract's face."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, application_name="test-outbox")
        self._table, clock = outbox_queue("public"), BootClock()
        self.stores: dict[str, Store] = {}
        self._enqueue: dict[str, Enqueue] = {}
        for token in (ME, OTHER):
            self.stores[token] = Published(self.engine, self._table, token=token, lease=LEASE, clock=clock)
            self._enqueue[token] = Enqueue(self._table, token=token, lease=LEASE, clock=clock)

    async def add(
        self, by: str, items: Sequence[Item], *, claimed: bool, firsts: Sequence[Item] = ()
    ) -> Enqueued:
        assert not firsts, "numbers come in the order of commits here"
        messages = [
            a_message(each.key, each.number, event_id=each.id, payload=each.payload) for each in items
        ]
        new, rows = [item_of(each) for each in messages], [row_of(each) for each in messages]
        async with driver_transaction(self.engine) as connection:
            return await self._enqueue[by].add(connection, new, rows, claimed=claimed)

    async def act(self, action: str, ids: Sequence[str], notices: Sequence[Item]) -> Outcome:
        assert (action, notices) == ("replay", ())
        async with driver_transaction(self.engine) as connection:
            return await Actions(self._table).replay(connection, ids)

    async def pass_lease(self) -> None:
        await self.run("UPDATE outbox_event SET lease_until = lease_until - interval '11 s'")

    async def pass_month(self) -> None:
        await self.run("UPDATE outbox_event SET published_at = published_at - interval '31 days'")

    async def numbers(self, key: str) -> list[int]:
        statement = text("SELECT seq FROM outbox_event WHERE aggregate_id = :key ORDER BY seq")
        async with self.engine.connect() as connection:
            return list((await connection.execute(statement, {"key": key})).scalars())

    async def run(self, statement: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement))


class TestOutboxContract(GaplessContract):
    """The events of orders in PostgreSQL."""

    @pytest.fixture
    async def queue(self, database_url: str) -> AsyncIterator[Queue]:
        """Empty."""
        way = Events(database_url)
        yield Queue(way)
        await way.engine.dispose()

    async def test_retention_keeps_the_newest_of_a_key_and_what_another_waits_behind(
        self, queue: Queue
    ) -> None:
        """Not here, where a missing number was deleted: all that is published goes after a month."""
        await queue.add(parcel("a", 1), parcel("b", 1), parcel("b", 2))
        await queue.mine.settle([Settlement(claim, PUBLISHED) for claim in queue.claims[:2]])
        await queue.mine.delete_settled(limit=10)
        assert await queue.numbers("a") == [1]
        await queue.month_passes()
        await queue.mine.delete_settled(limit=10)
        assert (await queue.numbers("a"), await queue.numbers("b")) == ([], [2])
        assert await queue.add(parcel("a", 2)) == [("a", 2, "done")]
