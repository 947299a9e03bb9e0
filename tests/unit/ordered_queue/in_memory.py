"""The queue's table in memory: the twin of the SQL, in one place where a simulation can break its rules."""

import copy
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from kits.ordered_queue.actions import Outcome
from kits.ordered_queue.item import Item, Predecessor
from kits.ordered_queue.lane import MAX_RUN, MAX_RUN_BYTES
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Arrival
from kits.resilience.clock import Clock

GAP_SECONDS = 30.0


@dataclass(slots=True, eq=False)
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

    @property
    def waits(self) -> bool:
        """Neither done, dead nor given up."""
        return self.done_at is None and self.dead_at is None and self.given_up_at is None

    @property
    def is_over(self) -> bool:
        """Done or given up."""
        return self.done_at is not None or self.given_up_at is not None

    @property
    def state(self) -> str:
        """As an operator is told."""
        if self.given_up_at is not None:
            return "given up"
        if self.done_at is not None:
            return "done"
        if self.dead_at is not None:
            return "dead" if self.number is not None else "unnumbered"
        if self.replayed:
            return "replayed"
        return "waiting" if self.claim else "unclaimed"


class InMemoryTable:
    """The rows that all processes share, with the database's clock."""

    def __init__(self, clock: Clock, *, gaps: bool) -> None:
        self.clock = clock
        self.gaps = gaps
        self.rows: dict[str, Row] = {}
        self._of: dict[str, dict[str, Row]] = defaultdict(dict)

    def backup(self) -> list[Row]:
        """Everything as it is now."""
        return [copy.copy(row) for row in self.rows.values()]

    def restore(self, rows: list[Row]) -> None:
        """Everything as it was then."""
        self.rows.clear()
        self._of.clear()
        for row in rows:
            self.put(copy.copy(row))

    def put(self, row: Row) -> None:
        """A row is there from now on."""
        self.rows[row.item.id] = self._of[row.item.key][row.item.id] = row

    def remove(self, item_id: str) -> None:
        """A row is no more."""
        if row := self.rows.pop(item_id, None):
            del self._of[row.item.key][item_id]

    def at(self, key: str, number: int) -> Row | None:
        """The row of a number."""
        for row in self._of[key].values():
            if row.number == number:
                return row
        return None

    def highest(self, key: str) -> int:
        """The last number of a key."""
        return max((row.item.number for row in self._of[key].values()), default=0)

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
        why = Predecessor.DONE
        for row in self._of[item.key].values():
            if row.number is not None and row.number < item.number and not row.is_over:
                if row.token != token or row.dead_at is not None:
                    return None
                why = Predecessor.OWN
        return why

    def begins(self, row: Row) -> bool:
        """Whether nothing is to be waited for: what was done once stands behind what was done too."""
        return row.is_first or (row.replayed and self.at(row.item.key, row.item.number - 1) is None)

    def is_unleased(self, row: Row) -> bool:
        """Nobody holds it."""
        return row.token is None or row.lease_until < self.clock.now()

    def runs(self, sent: Sequence[tuple[Item, bool]], token: str) -> dict[str, Predecessor]:
        """Gaps and islands: what may be claimed of these, by id, and why."""
        known: dict[str, Predecessor] = {}
        key, place, allowed, before, ahead = "", 0, None, -1, 0
        for item, is_first in sorted(sent, key=lambda one: (one[0].key, one[0].number)):
            if item.key == key and item.number == before + 1:
                place += 1
                fits = place <= MAX_RUN and ahead < MAX_RUN_BYTES
                why = Predecessor.OWN if allowed and fits else None
            else:
                key, place, ahead = item.key, 1, 0
                why = allowed = self.predecessor(item, is_first=is_first, token=token)
            before, ahead = item.number, ahead + len(item.payload)
            if why is not None:
                known[item.id] = why
        return known

    # --- an enqueueing statement: its snapshot, and its commit

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
        self.put(row)
        return Arrival.NEW

    # --- operators: state changes

    def redrive(self, ids: Sequence[str]) -> Outcome:
        """Dead -> waiting."""
        return self._change(ids, {"dead"})

    def replay(self, ids: Sequence[str]) -> Outcome:
        """Done -> waiting."""
        return self._change(ids, {"done"})

    def may_be_given_up(self, row: Row) -> bool:
        """Only what is certainly not on its way; what is replayed was done once."""
        return row.state in {"dead", "unnumbered", "unclaimed", "replayed"} or self._is_behind_dead(row)

    def _is_behind_dead(self, row: Row) -> bool:
        """It was given back when the head of its run died."""
        before = [
            each
            for each in self._of[row.item.key].values()
            if (each.number or 0) in range(1, row.number or 0)
        ]
        return row.waits and self.is_unleased(row) and any(each.state == "dead" for each in before)

    def give_up(self, ids: Sequence[str], notices: Sequence[Item] = ()) -> Outcome:
        """Given up, and in its place a notice under the same number; what was done once is done again."""
        outcome = Outcome()
        told = {(notice.key, notice.number) for notice in notices}
        begins: set[tuple[str, int]] = set()
        allowed = {each for each in ids if (one := self.rows.get(each)) and self.may_be_given_up(one)}
        for row_id in ids:
            row = self.rows.get(row_id)
            if row is None or row_id not in allowed:
                outcome.refused[row_id] = row.state if row else "missing"
                continue
            outcome.changed.append(row_id)
            row.token = None
            if row.state == "replayed":
                row.done_at = self.clock.now()
                continue
            row.given_up_at = self.clock.now()
            if (place := (row.item.key, row.item.number)) in told:
                row.number = None
                begins |= {place} if row.is_first else set()
        for notice in notices:
            if self._may_be_told(notice):
                is_first = (notice.key, notice.number) in begins
                self.put(Row(notice, notice.number, is_first, due_at=self.clock.now()))
                outcome.changed.append(notice.id)
            else:
                outcome.refused[notice.id] = "taken"
        return outcome

    def _may_be_told(self, notice: Item) -> bool:
        later = [row for row in self._of[notice.key].values() if (row.number or 0) > notice.number]
        handed = any(
            row.number is None and row.item.number == notice.number for row in self._of[notice.key].values()
        )
        if any(row.done_at is not None or row.replayed for row in later) or not (later or handed):
            return False
        return self.at(notice.key, notice.number) is None

    def _change(self, ids: Sequence[str], states: set[str]) -> Outcome:
        outcome = Outcome()
        for row_id in ids:
            row = self.rows.get(row_id)
            if row is None or row.state not in states:
                outcome.refused[row_id] = row.state if row else "missing"
                continue
            row.replayed |= row.state == "done"
            row.done_at = row.dead_at = row.token = None
            row.due_at, row.attempts = self.clock.now(), 0
            outcome.changed.append(row_id)
        return outcome

    def delete_old(self, *, older_than_seconds: float, keeps: Collection[str] = ()) -> None:
        """Retention: the newest row of a key stays, one whose follower waits, and what the owner keeps."""
        now = self.clock.now()
        for row in [row for row in self.rows.values() if row.item.id not in keeps]:
            ended = row.done_at if row.done_at is not None else row.given_up_at
            if ended is not None and now - ended >= older_than_seconds and self.may_be_deleted(row):
                self.remove(row.item.id)

    def may_be_deleted(self, row: Row) -> bool:
        """Whether nothing stands behind it that asks for it."""
        after = self.at(row.item.key, row.item.number + 1)
        return row.number is None or (after is not None and after.is_over)

    def missing(self) -> Iterator[Row]:
        """What waits behind a number that never came."""
        for row in self.rows.values():
            if self.gaps and row.waits and row.number is not None and not row.is_first and not row.replayed:
                is_late = self.clock.now() - row.due_at > GAP_SECONDS
                if is_late and self.at(row.item.key, row.number - 1) is None:
                    yield row

    def highest_below(self, row: Row) -> int:
        """The last number before this one that has a row."""
        numbers = [each.number for each in self._of[row.item.key].values() if each.number is not None]
        return max((number for number in numbers if number < row.item.number), default=0)
