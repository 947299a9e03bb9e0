"""Inbox: what of a poll is new, and how each record is kept, in the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.ordered_queue.item import Claim
from kits.ordered_queue.sql_store import Arrival, Enqueue
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.schema import as_document, qualified
from worker.inbox.arrival_statements import ANY_DELIVERED, DELIVERED, HEAL, KEEP, WITHOUT_LOWER, YIELD
from worker.inbox.error_class import ErrorClass
from worker.inbox.item import InboxItem
from worker.inbox.records import Arrived, Unreadable
from worker.inbox.table import inbox_event


@dataclass(slots=True)
class Stored:
    """What became of the records of a poll; by event id, but for the claims."""

    claims: list[Claim] = field(default_factory=list)
    repeats: int = 0
    healed: set[str] = field(default_factory=set)
    conflicts: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)


class Arrivals:
    """The way of records into the inbox of one group."""

    def __init__(self, engine: AsyncEngine, group: str, enqueue: Enqueue) -> None:
        self._group = {"of_group": group}
        self._enqueue = enqueue
        schema = qualified(inbox_event, engine).rpartition(".")[0]
        self._delivered, self._any_delivered, self._without_lower, self._yield, self._heal, self._keep = (
            DriverStatement(text(template.replace("{schema}", schema)))
            for template in (DELIVERED, ANY_DELIVERED, WITHOUT_LOWER, YIELD, HEAL, KEEP)
        )
        self._has_former: bool | None = None

    async def store(
        self,
        connection: DriverConnection,
        events: Sequence[tuple[Arrived, InboxItem]],
        unreadable: Sequence[Unreadable],
        *,
        late: Iterable[str],
        claimed: bool,
    ) -> Stored:
        """Keep every record: as a new event, as the healing of a stored one, as given up or as dead.

        Args:
            events: in the order of each partition.
            late: those whose partition's log had lost its beginning when the group first saw it, by id.
        """
        unique = list({row.id: (row, item) for row, item in reversed(events)}.values())[::-1]
        stored = Stored(repeats=len(events) - len(unique))
        keys = {row.key for row, _ in unique} | {row.order_id for row in unreadable if row.order_id}
        reached = await self._reached(connection, keys)
        passed = [pair for pair in unique if pair[0].number <= reached.get(pair[0].key, 0)]
        new = [pair for pair in unique if pair[0].number > reached.get(pair[0].key, 0)]
        await self._find_beginnings(connection, [row for row, _ in new], reached, set(late))
        # Of two events under one number the first in the log has it.
        numbered = {(pair[0].key, pair[0].number): pair for pair in reversed(new)}
        firsts = list(numbered.values())
        arrivals = await self._add(connection, firsts, stored, claimed=claimed)
        known = passed + [pair for pair in firsts if arrivals[pair[0].id] is Arrival.KNOWN]
        taken = [pair for pair in firsts if arrivals[pair[0].id] is Arrival.TAKEN]
        taken += [pair for pair in new if numbered[pair[0].key, pair[0].number] is not pair]
        if taken:
            known += await self._resolve(connection, taken, stored, claimed=claimed)
        if known:
            await self._heal_known(connection, [row for row, _ in known], stored)
        if unreadable:
            await self._bury(connection, unreadable, reached, stored)
        return stored

    async def _reached(self, connection: DriverConnection, keys: Collection[str]) -> dict[str, int]:
        """Up to which number a former build has delivered these orders."""
        if self._has_former is None:
            ((self._has_former,),) = await connection.fetch(self._any_delivered, self._group)
        if not self._has_former or not keys:
            return {}
        found = await connection.fetch(self._delivered, {**self._group, "keys": sorted(keys)})
        return dict(map(tuple, found))

    async def _find_beginnings(
        self,
        connection: DriverConnection,
        rows: Sequence[Arrived],
        reached: Mapping[str, int],
        late: set[str],
    ) -> None:
        """Behind what a former build has delivered; or with the first that the log still has."""
        for row in rows:
            row.is_first = row.is_first or row.number == reached.get(row.key, -1) + 1
        lowest: dict[str, Arrived] = {}
        for row in rows:
            if row.key in reached:
                continue
            if row.key not in lowest or row.number < lowest[row.key].number:
                lowest[row.key] = row
        asked = [row for row in lowest.values() if row.id in late and not row.is_first]
        if asked:
            names = [{"key": row.key, "number": row.number} for row in asked]
            found = await connection.fetch(self._without_lower, {**self._group, **as_document(names)})
            begin = {key for (key,) in found}
            for row in asked:
                row.is_first = row.key in begin

    async def _add(
        self,
        connection: DriverConnection,
        pairs: Sequence[tuple[Arrived, InboxItem]],
        stored: Stored,
        *,
        claimed: bool,
    ) -> Mapping[str, Arrival]:
        if not pairs:
            return {}
        rows, items = zip(*pairs, strict=True)
        arrivals, claims = await self._enqueue.add(connection, items, rows, claimed=claimed)
        stored.claims += claims
        return arrivals

    async def _resolve(
        self,
        connection: DriverConnection,
        taken: list[tuple[Arrived, InboxItem]],
        stored: Stored,
        *,
        claimed: bool,
    ) -> list[tuple[Arrived, InboxItem]]:
        """Give a number to what can be read, if an unreadable one has it; keep what is left as given up.

        Returns what another transaction has inserted meanwhile.
        """
        await connection.fetch(self._yield, {**self._group, **as_document([row for row, _ in taken])})
        arrivals = await self._add(connection, taken, stored, claimed=claimed)
        conflicts = [row for row, _ in taken if arrivals[row.id] is Arrival.TAKEN]
        kept = [_given_up(row, item) for row, item in taken if arrivals[row.id] is Arrival.TAKEN]
        if kept:
            stored.conflicts = await self._kept(connection, kept, numbered=False)
            stored.repeats += len(conflicts) - len(stored.conflicts)
        return [pair for pair in taken if arrivals[pair[0].id] is Arrival.KNOWN]

    async def _heal_known(
        self, connection: DriverConnection, rows: Sequence[Arrived], stored: Stored
    ) -> None:
        values = {**self._group, **as_document(rows)}
        await connection.fetch(self._yield, values)
        stored.healed = {str(event_id) for (event_id,) in await connection.fetch(self._heal, values)}
        stored.repeats += len(rows) - len(stored.healed)

    async def _bury(
        self,
        connection: DriverConnection,
        unreadable: Sequence[Unreadable],
        reached: Mapping[str, int],
        stored: Stored,
    ) -> None:
        rows = {row.event_id: _dead(row, reached.get(row.order_id or "", 0)) for row in reversed(unreadable)}
        stored.unreadable = await self._kept(connection, list(rows.values()), numbered=True)
        if left := [row for event_id, row in rows.items() if event_id not in stored.unreadable]:
            # Known by its id; or its number was taken in this moment, which must not lose the record.
            stored.unreadable |= await self._kept(connection, left, numbered=False)
        stored.repeats += len(unreadable) - len(stored.unreadable)

    async def _kept(
        self, connection: DriverConnection, rows: Sequence[dict[str, Any]], *, numbered: bool
    ) -> set[str]:
        values = {**self._group, **as_document(rows), "numbered": numbered}
        return {str(event_id) for (event_id,) in await connection.fetch(self._keep, values)}


def _dead(row: Unreadable, reached: int) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(row),
        "is_first": row.seq == reached + 1,
        "event_type": "",
        "is_dead": True,
        "error_class": ErrorClass.UNREADABLE,
    }


def _given_up(row: Arrived, item: InboxItem) -> dict[str, Any]:
    return {
        "event_id": row.id,
        "order_id": row.key,
        "seq": row.number,
        "is_first": False,
        "event_type": row.event_type,
        "payload": row.payload,
        "topic": row.topic,
        "topic_id": row.topic_id,
        "partition": row.partition,
        "offset": row.offset,
        "record_key": item.record_key,
        "headers": row.headers,
        "is_dead": False,
        "error_class": ErrorClass.NUMBER_CONFLICT,
        "code": "number_conflict",
        "message": "Its number belongs to another event.",
    }
