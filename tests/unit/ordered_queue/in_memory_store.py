"""The store of a queue on its table in memory: the twin of sql_store.py."""

import itertools
from collections.abc import Iterable, Sequence
from operator import attrgetter

from kits.ordered_queue.item import Claim, Item, Kind, Predecessor, Settlement
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.ports import Backlog, Gap, Looked
from kits.resilience.clock import Clock
from tests.unit.ordered_queue.in_memory import InMemoryTable, Row

LOOK = 20
RETENTION_SECONDS = 30 * 86_400.0


class InMemoryStore:
    """The store of one process on a table in memory."""

    def __init__(self, table: InMemoryTable, *, token: str, lease: Lease, clock: Clock) -> None:
        self.table = table
        self.token = token
        self.lease = lease
        self.clock = clock
        self._after = (-1.0, "")

    async def locked(self, item_ids: Iterable[str]) -> set[str]:
        """See Store. Nobody holds a row here."""
        return set()

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """See Store."""
        asked_at = self.clock.now()
        looked, claimable = self.look()
        claims = self.take(claimable, limit, max_bytes, self.lease.until(asked_at))
        return Looked(claims, left=len(claimable) > len(claims), further=len(looked) == LOOK)

    def look(self) -> tuple[list[Row], list[tuple[Row, Predecessor]]]:
        """The statement's snapshot: the rows behind the cursor, and those of them that may be claimed."""
        waiting = [
            (row.due_at, row.item.id, row)
            for row in self.table.rows.values()
            if row.waits and (row.due_at, row.item.id) > self._after
        ]
        waiting.sort()
        looked = [row for _, _, row in waiting[:LOOK]]
        self._after = (looked[-1].due_at, looked[-1].item.id) if len(looked) == LOOK else (-1.0, "")
        now = self.table.clock.now()
        free = [row for row in looked if row.due_at <= now and self.table.is_unleased(row)]
        known = self.table.runs([(row.item, self.table.begins(row)) for row in free], self.token)
        heads: dict[tuple[str, int], float] = {}
        for row in sorted(free, key=attrgetter("item.number")):
            before = heads.get((row.item.key, row.item.number - 1), row.due_at)
            heads[row.item.key, row.item.number] = before
        free.sort(key=lambda row: (heads[row.item.key, row.item.number], row.item.key, row.item.number))
        return looked, [(row, known[row.item.id]) for row in free if row.item.id in known]

    def take(
        self, claimable: Sequence[tuple[Row, Predecessor]], limit: int, max_bytes: int, until: float
    ) -> list[Claim]:
        """The statement's locks: what is still there and free."""
        claims: list[Claim] = []
        size = 0
        for row, why in itertools.islice(claimable, limit):
            if size >= max_bytes and claims:
                break
            size += len(row.item.payload)
            if self.table.rows.get(row.item.id) is row and row.waits and self.table.is_unleased(row):
                claims.append(self._claimed(row, why, until))
        return sorted(claims, key=lambda claim: (claim.item.key, claim.item.number))

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """See Store."""
        mine = set()
        for claim in claims:
            row = self._mine(claim)
            if row is not None:
                self.renews(row, claim)
                row.lease_until = self.table.clock.now() + self.lease.seconds
                mine.add((claim.item.id, claim.nth))
        return mine

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store."""
        written = 0
        for settlement in settlements:
            row = self._mine(settlement.claim)
            if row is None:
                continue
            written += 1
            self.writes(row, settlement.claim)
            kind = settlement.result.kind if settlement.result else None
            now = self.table.clock.now()
            row.token = None
            row.attempts += kind is Kind.FAILED
            if settlement.wait_seconds:
                row.due_at = now + settlement.wait_seconds
            if kind is Kind.DONE:
                self.has_done(row)
            if kind is Kind.DONE or (kind is Kind.REFUSED and row.replayed):
                row.done_at = now
            elif kind is Kind.REFUSED:
                row.dead_at = now
        return written

    async def delete_settled(self, *, limit: int) -> bool:
        """See Store; the whole table is one batch."""
        self.table.delete_old(older_than_seconds=RETENTION_SECONDS)
        return False

    async def backlog(self) -> Backlog:
        """See Store."""
        rows = self.table.rows.values()
        dead = [row.item.key for row in rows if row.dead_at is not None and not row.is_over]
        missing = [row.item.key for row in self.table.missing()]
        waiting = sum(row.waits for row in rows)
        return Backlog(waiting, len(dead), len(missing), len({*dead, *missing}), 0.0)

    async def gaps(self, limit: int) -> Sequence[Gap]:
        """See Store."""
        now = self.table.clock.now()
        missing = sorted(self.table.missing(), key=attrgetter("due_at"))[:limit]
        return [
            Gap(
                row.item.key,
                self.table.highest_below(row) + 1,
                row.item.number - 1,
                row.item.number,
                now - row.due_at,
            )
            for row in missing
        ]

    def has_done(self, row: Row) -> None:
        """For those who watch: a row is done."""

    def renews(self, row: Row, claim: Claim) -> None:
        """For those who watch: a lease is prolonged."""

    def writes(self, row: Row, claim: Claim) -> None:
        """For those who watch: a row is changed under this claim."""

    def grants(self, row: Row) -> None:
        """For those who watch: a row is claimed."""

    def _claimed(self, row: Row, why: Predecessor, until: float) -> Claim:
        self.grants(row)
        row.token, row.claim = self.token, row.claim + 1
        row.lease_until = self.table.clock.now() + self.lease.seconds
        item = Item(row.item.id, row.item.key, row.item.number, row.item.payload, row.attempts)
        return Claim(item, row.claim, why, until, relayed=True)

    def _mine(self, claim: Claim) -> Row | None:
        row = self.table.rows.get(claim.item.id)
        is_mine = row is not None and row.waits and row.token == self.token and row.claim == claim.nth
        return row if is_mine else None
