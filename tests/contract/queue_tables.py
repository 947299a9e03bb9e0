"""Two tables of an ordered queue behind one face: that in PostgreSQL and that of the simulation."""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import text

from kits.ordered_queue.actions import Actions, Outcome
from kits.ordered_queue.columns import QueueTable
from kits.ordered_queue.item import Claim, Item, Kind, Result
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.ports import Store
from kits.ordered_queue.sql_store import Arrival, Enqueue, SqlStore
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from kits.resilience.clock import BootClock
from tests.unit.ordered_queue.in_memory import InMemoryTable
from tests.unit.ordered_queue.in_memory_store import InMemoryStore

LEASE = Lease(10.0)
ME, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
REFUSED = Result(Kind.REFUSED, "schema", "it does not fit")
FAILED = Result(Kind.FAILED, "timeout", "no answer")
AWAY = Result(Kind.UNAVAILABLE, "503", "away")
CREATE = """
CREATE TABLE parcels (
    shop text NOT NULL DEFAULT 'mine', id {id_type} NOT NULL, key text NOT NULL, number bigint,
    was_number bigint, payload bytea, payload_size int NOT NULL,
    born_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_first boolean NOT NULL DEFAULT false, attempts int NOT NULL DEFAULT 0, done_at timestamptz,
    dead_at timestamptz, given_up_at timestamptz, replayed_at timestamptz, redriven_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(), token uuid, claim bigint NOT NULL DEFAULT 0,
    lease_until timestamptz, error text, PRIMARY KEY (id, shop), UNIQUE (key, number, shop));
CREATE INDEX ON parcels (shop, due_at, id) WHERE done_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
"""
STRANGERS = """
INSERT INTO parcels (shop, id, key, number, payload, payload_size, due_at)
SELECT 'another', CAST(md5(key || number) AS uuid), key, number, '{}', 2, now() - interval '1 h'
  FROM unnest(ARRAY['a', 'b']) AS key, generate_series(1, 9) AS number
"""
"""What another queue has in the same table: the same keys and numbers, all of it open."""
Enqueued = tuple[dict[str, Arrival], list[Claim]]


class Row(msgspec.Struct):
    """What is stored of an item."""

    id: str
    key: str
    number: int
    payload: bytes
    is_first: bool = False


class Way(Protocol):
    """What differs between the two tables: transactions, operators, and time that passes."""

    stores: dict[str, Store]

    async def add(
        self, by: str, items: Sequence[Item], *, claimed: bool, firsts: Sequence[Item] = ()
    ) -> Enqueued:
        """One enqueueing transaction; number 1 is first of its key, and so are these."""
        ...

    async def act(self, action: str, ids: Sequence[str], notices: Sequence[Item]) -> Outcome:
        """One operator's transaction."""
        ...

    async def pass_lease(self) -> None:
        """Every lease runs out."""
        ...

    async def pass_month(self) -> None:
        """What is done has been done for a month; what waits has waited for a minute."""
        ...

    async def numbers(self, key: str) -> list[int]:
        """The numbers of a key that have a row."""
        ...


class Queue:
    """A table with the stores of two processes."""

    def __init__(self, way: Way) -> None:
        self.mine, self.others = way.stores[ME], way.stores[OTHER]
        self._way = way
        self.time_passes = way.pass_lease
        self.month_passes = way.pass_month
        self.numbers = way.numbers

    async def add(self, *items: Item, claimed: bool = True, by: str = ME) -> list[tuple[str, int, str]]:
        """One transaction; key, number and predecessor of what was born claimed."""
        self.arrivals, self.claims = await self._way.add(by, items, claimed=claimed)
        return [seen(claim) for claim in self.claims]

    async def add_first(self, item: Item) -> None:
        """A key that begins with this one."""
        self.arrivals, self.claims = await self._way.add(ME, [item], claimed=True, firsts=[item])

    async def look(
        self, store: Store | None = None, *, limit: int = 100, max_bytes: int = 10_000
    ) -> list[Claim]:
        """What one look claims."""
        looked = await (store or self.mine).claim(limit=limit, max_bytes=max_bytes)
        return list(looked.claims)

    async def act(self, action: str, *items: Item, notices: Sequence[Item] = ()) -> Outcome:
        """Redrive, replay or give up."""
        return await self._way.act(action, [item.id for item in items], notices)


def parcel(key: str, number: int, payload: bytes = b"{}") -> Item:
    """A new item."""
    return Item(str(uuid.uuid4()), key, number, payload)


def seen(claim: Claim) -> tuple[str, int, str]:
    """Key, number and predecessor."""
    return claim.item.key, claim.item.number, claim.predecessor.value


class _SteppedClock:
    def __init__(self) -> None:
        self.offset = 0.0
        self._clock = BootClock()

    def now(self) -> float:
        return self._clock.now() + self.offset


class _InMemory:
    def __init__(self, *, gaps: bool) -> None:
        self._clock = _SteppedClock()
        self._table = InMemoryTable(self._clock, gaps=gaps)
        self.stores: dict[str, Store] = {
            token: InMemoryStore(self._table, token=token, lease=LEASE, clock=self._clock)
            for token in (ME, OTHER)
        }

    async def add(
        self, by: str, items: Sequence[Item], *, claimed: bool, firsts: Sequence[Item] = ()
    ) -> Enqueued:
        table, items = self._table, list({item.id: item for item in items}.values())
        begins = {item.id for item in items if item.number == 1 or item in firsts}
        known = table.runs([(item, item.id in begins) for item in items], by) if claimed else {}
        arrivals = {
            item.id: table.insert(
                item, is_first=item.id in begins, why=known.get(item.id), token=by, lease=LEASE
            )
            for item in items
        }
        until = LEASE.until(self._clock.now())
        new = [item for item in items if arrivals[item.id] is Arrival.NEW and item.id in known]
        claims = [Claim(item, 1, known[item.id], until) for item in new]
        return arrivals, sorted(claims, key=lambda claim: (claim.item.key, claim.item.number))

    async def act(self, action: str, ids: Sequence[str], notices: Sequence[Item]) -> Outcome:
        if action == "give_up":
            return self._table.give_up(ids, notices)
        return {"redrive": self._table.redrive, "replay": self._table.replay}[action](ids)

    async def pass_lease(self) -> None:
        self._clock.offset += LEASE.seconds + 1.0

    async def pass_month(self) -> None:
        for row in self._table.rows.values():
            row.done_at = None if row.done_at is None else row.done_at - 31 * 86_400.0
            row.due_at -= 60.0

    async def numbers(self, key: str) -> list[int]:
        rows = [row for row in self._table.rows.values() if row.item.key == key]
        return sorted(row.number for row in rows if row.number is not None)


class Parcels(SqlStore):
    """A store whose items have no columns of their own."""

    def item_of(self, row: Any) -> Item:
        return Item(str(row["id"]), row["key"], row["number"], row["payload"], row["attempts"])


class _InSql:
    def __init__(self, url: str, table: QueueTable) -> None:
        self.engine = create_engine(url, application_name="test-queue")
        self._table = table
        clock = BootClock()
        self.stores: dict[str, Store] = {}
        self._enqueue: dict[str, Enqueue] = {}
        for token in (ME, OTHER):
            self.stores[token] = Parcels(self.engine, table, token=token, lease=LEASE, clock=clock)
            self._enqueue[token] = Enqueue(table, token=token, lease=LEASE, clock=clock)

    async def add(
        self, by: str, items: Sequence[Item], *, claimed: bool, firsts: Sequence[Item] = ()
    ) -> Enqueued:
        rows = _rows(items, firsts)
        async with driver_transaction(self.engine) as connection:
            return await self._enqueue[by].add(connection, items, rows, claimed=claimed)

    async def act(self, action: str, ids: Sequence[str], notices: Sequence[Item]) -> Outcome:
        actions = Actions(self._table)
        async with driver_transaction(self.engine) as connection:
            if action == "give_up":
                return await actions.give_up(connection, ids, _rows(notices))
            return await {"redrive": actions.redrive, "replay": actions.replay}[action](connection, ids)

    async def pass_lease(self) -> None:
        await self.run(
            "UPDATE parcels SET lease_until = lease_until - interval '11 s' WHERE token IS NOT NULL"
        )

    async def pass_month(self) -> None:
        await self.run(
            "UPDATE parcels SET done_at = done_at - interval '31 days', due_at = due_at - interval '1 min'"
        )

    async def numbers(self, key: str) -> list[int]:
        statement = (
            "SELECT number FROM parcels"
            " WHERE shop = 'mine' AND key = :key AND number IS NOT NULL ORDER BY number"
        )
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(statement), {"key": key})).scalars())

    async def run(self, statement: str, **values: str) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)


def _rows(items: Sequence[Item], firsts: Sequence[Item] = ()) -> list[Row]:
    return [
        Row(item.id, item.key, item.number, item.payload, item.number == 1 or item in firsts)
        for item in items
    ]


async def in_memory(*, gaps: bool) -> Queue:
    """The simulation's table."""
    return Queue(_InMemory(gaps=gaps))


async def in_sql(url: str, *, gaps: bool, id_type: str = "uuid") -> AsyncIterator[Queue]:
    """A table in PostgreSQL that it shares with a queue that has the same ids and numbers."""
    table = QueueTable(
        "parcels",
        "q.born_at",
        scope="q.shop = 'mine'",
        gaps=gaps,
        extra={} if gaps else {"is_first": "boolean"},
        settled={"error": "sent.code"},
        redriven_at="redriven_at",
        id_type=id_type,
    )
    way = _InSql(url, table)
    for statement in CREATE.format(id_type=id_type).split(";"):
        await way.run(statement)
    await way.run(STRANGERS)
    yield Queue(way)
    await way.engine.dispose()
