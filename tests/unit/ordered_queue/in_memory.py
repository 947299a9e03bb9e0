"""The queue's table in memory: the twin of the SQL, in one place where a simulation can break its rules."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kits.ordered_queue.clock import Clock
from kits.ordered_queue.item import Claim, Item, Predecessor
from kits.ordered_queue.lane import MAX_RUN
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.result import Result, Settlement
from kits.ordered_queue.sql_enqueue import Arrival
from kits.ordered_queue.store import Backlog, Looked

LOOK = 20
RETENTION_SECONDS = 30 * 86_400.0


@dataclass(slots=True)
class Row:
    """One item in the table; `number` is None when it was handed to a notice."""

    item: Item
    number: int | None
    is_first: bool
    due_at: float
    done_at: float | None = None
    dead_at: float | None = None
    given_up_at: float | None = None
    replayed: bool = False
    token: str | None = None
    claim: int = 0
    lease_until: float = 0.0
    attempts: int = 0
    is_notice: bool = False

    @property
    def waits(self) -> bool:
        """Neither done, dead nor given up."""
        return self.done_at is None and self.dead_at is None and self.given_up_at is None

    @property
    def is_over(self) -> bool:
        """Done or given up."""
        return self.done_at is not None or self.given_up_at is not None


class InMemoryTable:
    """The rows that all processes share, with the database's clock."""

    def __init__(self, clock: Clock, *, gaps: bool) -> None:
        self.clock = clock
        self.gaps = gaps
        self.rows: dict[str, Row] = {}

    def at(self, key: str, number: int) -> Row | None:
        """The row of a number."""
        return next((row for row in self.of(key) if row.number == number), None)

    def of(self, key: str) -> list[Row]:
        """The rows of a key."""
        return [row for row in self.rows.values() if row.item.key == key]

    def predecessor(self, item: Item, *, is_first: bool, token: str) -> Predecessor | None:
        """Whether the number before allows a claim now, and why."""
        if not self.gaps:
            return self._earlier(item, token)
        if is_first:
            return Predecessor.DONE
        before = self.at(item.key, item.number - 1)
        if before is None:
            return None
        if before.is_over:
            return Predecessor.DONE
        return Predecessor.OWN if before.token == token and before.dead_at is None else None

    def _earlier(self, item: Item, token: str) -> Predecessor | None:
        open_rows = [
            row
            for row in self.of(item.key)
            if row.number is not None and row.number < item.number and not row.is_over
        ]
        if not open_rows:
            return Predecessor.DONE
        if all(row.token == token and row.dead_at is None for row in open_rows):
            return Predecessor.OWN
        return None

    def is_unleased(self, row: Row) -> bool:
        """Nobody holds it."""
        return row.token is None or row.lease_until < self.clock.now()

    def runs(self, new: Sequence[tuple[Item, bool]], token: str) -> dict[str, Predecessor]:
        """Gaps and islands: what may be claimed of these, by id, and why."""
        by_key: dict[str, list[tuple[Item, bool]]] = defaultdict(list)
        for item, is_first in sorted(new, key=lambda one: (one[0].key, one[0].number)):
            by_key[item.key].append((item, is_first))
        known: dict[str, Predecessor] = {}
        for items in by_key.values():
            place, allowed, before = 0, None, -1
            for item, is_first in items:
                if item.number == before + 1:
                    place += 1
                    why = Predecessor.OWN if allowed and place <= MAX_RUN else None
                else:
                    place = 1
                    why = allowed = self.predecessor(item, is_first=is_first, token=token)
                before = item.number
                if why is not None:
                    known[item.id] = why
        return known

    # --- an enqueueing statement: its snapshot, and its commit

    def known(self, items: Iterable[Item]) -> list[Item]:
        """Those that the table does not know, by id and by number, each number once."""
        new: dict[tuple[str, int], Item] = {}
        for item in items:
            if item.id not in self.rows and self.at(item.key, item.number) is None:
                new.setdefault((item.key, item.number), item)
        return list(new.values())

    def insert(
        self, item: Item, *, is_first: bool, why: Predecessor | None, token: str, lease: Lease
    ) -> Arrival:
        """ON CONFLICT DO NOTHING."""
        if item.id in self.rows:
            return Arrival.KNOWN
        if self.at(item.key, item.number) is not None:
            return Arrival.TAKEN
        now = self.clock.now()
        row = Row(item, item.number, is_first, due_at=now)
        if why is not None:
            row.token, row.claim, row.lease_until = token, 1, now + lease.seconds
        self.rows[item.id] = row
        return Arrival.NEW

    # --- operators: state changes

    def redrive(self, row: Row) -> None:
        """Dead -> waiting."""
        row.dead_at, row.token, row.due_at = None, None, self.clock.now()

    def may_be_given_up(self, row: Row) -> bool:
        """Only what is certainly not on its way."""
        return not row.is_notice and not row.is_over and (row.dead_at is not None or row.claim == 0)

    def give_up(self, row: Row, notice_id: str) -> None:
        """Given up, and in its place a notice under the same number; what was done once is done again."""
        now = self.clock.now()
        if row.replayed:
            row.done_at, row.dead_at, row.token = now, None, None
            return
        number = row.item.number
        row.given_up_at, row.token, row.number = now, None, None
        notice = Item(notice_id, row.item.key, number, b"{}")
        self.rows[notice_id] = Row(notice, number, row.is_first, due_at=now, is_notice=True)

    def replay(self, row: Row) -> None:
        """Done -> waiting; a number before that is gone was done too."""
        row.is_first = row.is_first or self.at(row.item.key, row.item.number - 1) is None
        row.done_at, row.token, row.due_at, row.replayed = None, None, self.clock.now(), True

    def delete_old(self, *, older_than_seconds: float, is_closed: bool, limit: int = 1000) -> list[Row]:
        """Retention: the newest row of a key stays, and one whose follower waits; all of a closed key go."""
        deleted: list[Row] = []
        now = self.clock.now()
        for row in list(self.rows.values()):
            if len(deleted) == limit:
                break
            ended = row.done_at if row.done_at is not None else row.given_up_at
            if ended is None or now - ended < older_than_seconds or row.dead_at is not None:
                continue
            after = self.at(row.item.key, row.item.number + 1)
            if is_closed or (after is not None and after.is_over):
                deleted.append(self.rows.pop(row.item.id))
        return deleted


class InMemoryStore:
    """The store of one process on a table in memory."""

    def __init__(self, table: InMemoryTable, *, token: str, lease: Lease, clock: Clock) -> None:
        self.table = table
        self.token = token
        self.lease = lease
        self.clock = clock
        self._after = (-1.0, "")

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """See Store."""
        asked_at = self.clock.now()
        looked, claimable = self.look()
        claims = self.take(claimable, limit, max_bytes, self.lease.until(asked_at))
        return Looked(claims, more=len(looked) == LOOK or len(claimable) > len(claims))

    def look(self) -> tuple[list[Row], list[tuple[Row, Predecessor]]]:
        """The statement's snapshot: the rows behind the cursor, and those of them that may be claimed."""
        waiting = sorted(
            (
                row
                for row in self.table.rows.values()
                if row.waits and (row.due_at, row.item.id) > self._after
            ),
            key=lambda row: (row.due_at, row.item.id),
        )
        looked = waiting[:LOOK]
        self._after = (looked[-1].due_at, looked[-1].item.id) if len(looked) == LOOK else (-1.0, "")
        now = self.table.clock.now()
        free = [row for row in looked if row.due_at <= now and self.table.is_unleased(row)]
        known = self.table.runs([(row.item, row.is_first) for row in free], self.token)
        heads: dict[tuple[str, int], float] = {}
        for row in sorted(free, key=lambda row: row.item.number):
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

    async def mark_done(self, done: Sequence[tuple[Claim, Result]]) -> int:
        """See Store."""
        rows = [(row, claim) for claim, _ in done if (row := self._mine(claim)) is not None]
        for row, claim in rows:
            self.writes(row, claim)
            self.has_done(row)
            row.done_at, row.token = self.table.clock.now(), None
        return len(rows)

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store."""
        written = 0
        for settlement in settlements:
            row = self._mine(settlement.claim)
            if row is None:
                continue
            written += 1
            self.writes(row, settlement.claim)
            now = self.table.clock.now()
            row.token = None
            row.attempts += settlement.has_failed
            if settlement.wait_seconds:
                row.due_at = now + settlement.wait_seconds
            if settlement.is_dead and row.replayed:
                row.done_at = now
            elif settlement.is_dead:
                row.dead_at = now
        return written

    async def delete_settled(self, *, limit: int) -> int:
        """See Store."""
        return len(self.table.delete_old(older_than_seconds=RETENTION_SECONDS, is_closed=False, limit=limit))

    async def backlog(self) -> Backlog:
        """See Store."""
        rows = self.table.rows.values()
        dead = sum(row.dead_at is not None and not row.is_over for row in rows)
        return Backlog(sum(row.waits for row in rows), dead, 0.0)

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
