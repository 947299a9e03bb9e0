"""What the owner of a queue's table in PostgreSQL decides: what a failure costs, who dies, what is kept."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.actions import Actions
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import DONE, Claim, Item, Settlement
from kits.ordered_queue.ports import StoreUnavailableError
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.driver import DriverStatement, driver_transaction
from kits.postgres.engine import create_engine
from kits.resilience.clock import BootClock
from tests.contract.queue_tables import AWAY, CREATE, FAILED, LEASE, Parcels, Row, parcel
from tests.waiting import patient

_GROUP = "CREATE TABLE parcel_group (written int NOT NULL)"
_COUNT = DriverStatement(text("INSERT INTO parcel_group VALUES (CAST(:written AS int))"))


class OwnersStore(Parcels):
    """Writes a row of its own in the transaction of the settlements."""

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        async with self._transaction() as connection:
            _, self.died = await self._settle(settlements, connection)
            await connection.fetch(_COUNT, {"written": len(settlements)})
        return len(settlements)


class Shop:
    """A table whose owner has rules of its own."""

    def __init__(self, engine: AsyncEngine, **rules: Any) -> None:
        self.engine = engine
        scope = "q.shop = 'mine'"
        self.table = QueueTable("parcels", "q.born_at", scope=scope, gaps=True, id_type="text", **rules)
        self.token = str(uuid.uuid4())
        self.store = OwnersStore(engine, self.table, token=self.token, lease=LEASE, clock=BootClock())

    async def add(self, *items: Item, claimed: bool = True) -> list[Claim]:
        """One transaction."""
        rows = [Row(item.id, item.key, item.number, item.payload, item.number == 1) for item in items]
        way = Enqueue(self.table, token=self.token, lease=LEASE, clock=BootClock())
        async with driver_transaction(self.engine) as connection:
            return (await way.add(connection, items, rows, claimed=claimed))[1]

    async def look(self) -> list[Claim]:
        """What one look claims."""
        return list((await self.store.claim(limit=100, max_bytes=10_000)).claims)

    async def give_up(self, item: Item, notice: Row) -> list[str]:
        """One transaction; what changed."""
        async with driver_transaction(self.engine) as connection:
            return (await Actions(self.table).give_up(connection, [item.id], [notice])).changed

    async def run(self, statement: str) -> list[Any]:
        """A statement by hand; its rows."""
        async with self.engine.begin() as connection:
            result = await connection.execute(text(statement))
            return list(result.all()) if result.returns_rows else []


@pytest.fixture
async def engine(empty_database_url: str) -> AsyncIterator[AsyncEngine]:
    """With an empty table."""
    engine = create_engine(empty_database_url, application_name="test-queue")
    async with engine.begin() as connection:
        for statement in (*CREATE.format(id_type='text COLLATE "C"').split(";"), _GROUP):
            await connection.execute(text(statement))
    yield engine
    await engine.dispose()


async def test_the_owner_says_what_a_failure_costs_and_who_dies_of_it(engine: AsyncEngine) -> None:
    """By the age of the call, the row itself and its attempts with this one; its columns tell why."""
    shop = Shop(
        engine,
        charged="sent.age_seconds < 5",
        dies="$attempts_after >= 2",
        settled={"error": "sent.kind || ' ' || sent.code || ' ' || sent.reason"},
    )
    await shop.add(parcel("a", 1))
    now = BootClock().now()
    for began, attempts, died in ((now, 1, 0), (now - 60.0, 1, 0), (now, 2, 1)):
        (claim,) = await shop.look() or await _expired(shop)
        await shop.store.settle([Settlement(claim, FAILED, began=began)])
        assert await shop.run("SELECT attempts FROM parcels") == [(attempts,)]
        assert len(shop.store.died) == died
    assert await shop.run("SELECT error FROM parcels WHERE dead_at IS NOT NULL") == [
        ("failed timeout no answer",)
    ]


async def test_what_is_given_back_keeps_the_owner_s_columns(engine: AsyncEngine) -> None:
    """Only what was sent has something to tell."""
    shop = Shop(engine, settled={"error": "sent.code"})
    (claim,) = await shop.add(parcel("a", 1))
    await shop.store.settle([Settlement(claim, AWAY)])
    (claim,) = await shop.look()
    await shop.store.settle([Settlement(claim)])
    assert await shop.run("SELECT error, attempts FROM parcels") == [("503", 0)]


async def test_the_owner_s_rows_are_written_with_the_queue_s_or_not_at_all(engine: AsyncEngine) -> None:
    """An outage in between takes both back, and is told as one."""
    shop = Shop(engine)
    (claim,) = await shop.add(parcel("a", 1))
    await shop.run("ALTER TABLE parcel_group RENAME TO elsewhere")
    with pytest.raises(StoreUnavailableError):
        await shop.store.settle([Settlement(claim, FAILED)])
    await shop.run("ALTER TABLE elsewhere RENAME TO parcel_group")
    assert await shop.run("SELECT attempts FROM parcels") == [(0,)]
    assert await shop.store.settle([Settlement(claim, FAILED)]) == 1
    assert await shop.run("SELECT attempts, written FROM parcels, parcel_group") == [(1, 1)]


async def test_a_payload_that_is_gone_must_be_filled_before_its_item_goes_again(engine: AsyncEngine) -> None:
    """It went when the item was done; a replay waits for it, and so does what is behind."""
    shop = Shop(engine, keeps_payload="q.key = 'kept'")
    *claims, kept = await shop.add(parcel("a", 1), parcel("a", 2), parcel("kept", 1))
    await shop.store.settle([Settlement(claim, DONE) for claim in (*claims, kept)])
    assert await shop.run("SELECT count(*), min(key) FROM parcels WHERE payload IS NULL") == [(2, "a")]
    async with driver_transaction(engine) as connection:
        await Actions(shop.table).replay(connection, [claim.item.id for claim in claims])
    assert await shop.look() == []
    await shop.run("UPDATE parcels SET payload = 'again' WHERE number = 2")
    assert await shop.look() == []
    await shop.run("UPDATE parcels SET payload = 'again' WHERE number = 1")
    assert [claim.item.number for claim in await shop.look()] == [1, 2]


async def test_what_belongs_to_no_order_is_never_claimed_and_holds_nothing(engine: AsyncEngine) -> None:
    """It has no number: it may be given up, and not be redriven."""
    shop = Shop(engine)
    await shop.run(
        "INSERT INTO parcels (id, key, payload, payload_size, dead_at) VALUES ('x', 'a', 'x', 1, now())"
    )
    assert len(await shop.add(parcel("a", 1))) == 1
    actions = Actions(shop.table)
    async with driver_transaction(engine) as connection:
        assert (await actions.redrive(connection, ["x"])).refused == {"x": "unnumbered"}
        assert (await shop.store.backlog()).blocked_keys == 0
        assert (await actions.give_up(connection, ["x"])).changed == ["x"]


async def test_the_oldest_item_is_as_old_as_its_birth_or_its_replay(engine: AsyncEngine) -> None:
    """A retry pushes the next attempt ahead, and makes nothing younger."""
    shop = Shop(engine)
    claim, done = await shop.add(parcel("a", 1), parcel("b", 1))
    await shop.run("UPDATE parcels SET born_at = born_at - interval '1 hour'")
    await shop.store.settle([Settlement(done, DONE)])
    await shop.store.settle([Settlement(claim, FAILED, wait_seconds=600.0)])
    assert await shop.run("SELECT count(*) FROM parcels WHERE due_at > now() + interval '1 minute'") == [(1,)]
    assert 3600 <= (await shop.store.backlog()).oldest_seconds < 3600 + patient(600)
    async with driver_transaction(engine) as connection:
        await Actions(shop.table).replay(connection, [done.item.id])
    await shop.run("DELETE FROM parcels WHERE key = 'a'")
    assert 0 <= (await shop.store.backlog()).oldest_seconds < patient(600)


async def test_an_action_takes_a_bounded_number_of_ids(engine: AsyncEngine) -> None:
    """A thousand rows in a transaction lock nobody out for long."""
    async with driver_transaction(engine) as connection:
        with pytest.raises(ValueError, match="1001 rows at once: give at most 1000"):
            await Actions(Shop(engine).table).redrive(connection, [str(each) for each in range(1001)])


async def test_a_notice_under_an_id_that_is_in_use_is_refused_as_a_whole(engine: AsyncEngine) -> None:
    """Else the number would be handed to nobody."""
    shop = Shop(engine)
    first, second = parcel("a", 1), parcel("a", 2)
    await shop.add(first, second, claimed=False)
    with pytest.raises(ValueError, match="is in use"):
        await shop.give_up(first, Row(second.id, "a", 1, b"{}"))
    assert await shop.run("SELECT count(*) FROM parcels WHERE given_up_at IS NULL") == [(2,)]


async def test_a_row_that_commits_late_is_found_below_the_floor(engine: AsyncEngine) -> None:
    """The looks begin at the oldest open row; now and then one begins at the very start."""
    shop = Shop(engine)
    await shop.add(parcel("a", 1), claimed=False)
    assert len(await shop.look()) == 1
    await shop.add(parcel("b", 1), claimed=False)
    await shop.run("UPDATE parcels SET due_at = due_at - interval '1 h' WHERE key = 'b'")
    assert await shop.look() == []
    shop.store._look_at_all_at = 0.0
    assert [claim.item.key for claim in await shop.look()] == ["b"]


async def test_held_rows_leave_room_and_hide_nothing(engine: AsyncEngine) -> None:
    """More of them than one look reads: the looks go on behind them, and nobody must wait to enqueue."""
    shop = Shop(engine)
    await shop.run(
        "INSERT INTO parcels (id, key, number, payload, payload_size, due_at)"
        " SELECT 'held' || n, 'held', n, 'x', 1, now() - interval '1 h' FROM generate_series(2, 4500) n"
    )
    await shop.add(parcel("a", 1), claimed=False)
    looks = [await shop.store.claim(limit=100, max_bytes=10_000) for _ in range(3)]
    assert [(len(look.claims), look.left, look.further) for look in looks] == [
        (0, False, True),
        (0, False, True),
        (1, False, False),
    ]


async def test_two_that_give_up_the_same_do_it_once(engine: AsyncEngine) -> None:
    """The second waits for the first, and is told what became of it."""
    shop = Shop(engine)
    first = parcel("a", 1)
    await shop.add(first, claimed=False)

    notices = [Row(each, "a", 1, b"{}") for each in ("n1", "n2")]
    changed = await asyncio.gather(*(shop.give_up(first, notice) for notice in notices))
    assert sorted(map(len, changed)) == [0, 2]
    assert await shop.run("SELECT count(*) FROM parcels WHERE number = 1") == [(1,)]


async def _expired(shop: Shop) -> list[Claim]:
    await shop.run("UPDATE parcels SET lease_until = lease_until - interval '1 min'")
    return await shop.look()


async def test_a_database_clock_that_steps_back_holds_nothing(engine: AsyncEngine) -> None:
    """What was written before lies in the future then, further than anything that is ever written."""
    shop = Shop(engine)
    await shop.add(parcel("a", 1), parcel("a", 2))
    await shop.run("UPDATE parcels SET due_at = due_at + interval '1 hour'")
    assert await shop.look() == [], "they are leased"
    await shop.run("UPDATE parcels SET lease_until = lease_until + interval '1 hour'")
    assert [claim.item.number for claim in await shop.look()] == [1, 2]
