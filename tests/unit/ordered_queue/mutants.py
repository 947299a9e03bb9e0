"""Broken variants of the queue's rules. Each must be caught by the simulation, or it is blind there.

The rules of the SQL are broken in its twin in memory; the contract suite holds the two together.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from kits.ordered_queue.actions import Outcome
from kits.ordered_queue.item import Claim, Item, Kind, Predecessor, Result
from kits.ordered_queue.lane import Lane, Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.sql_store import Arrival
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker
from tests.unit.ordered_queue.in_memory import InMemoryTable, Row
from tests.unit.ordered_queue.in_memory_store import InMemoryStore

Mutant = Callable[[pytest.MonkeyPatch], None]


def a_lane_trusts_every_claim(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "_may_follow", lambda _self, _lane, _claim: True)


def an_empty_lane_proves_that_the_number_before_is_done(patch: pytest.MonkeyPatch) -> None:
    right = Lanes._may_follow

    def wrong(self: Lanes, lane: Lane | None, claim: Claim) -> bool:
        return lane is None or right(self, lane, claim)

    patch.setattr(Lanes, "_may_follow", wrong)


def a_failure_does_not_give_the_rest_back(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: Lanes, claim: Claim) -> Sequence[Claim]:
        lane = self._arrived(claim)
        if lane.waiting:
            self._ready.append(lane)
        return []

    patch.setattr(Lanes, "failed", wrong)


def two_items_of_a_key_are_on_their_way(patch: pytest.MonkeyPatch) -> None:
    right = Lanes.take

    def wrong(self: Lanes, claim: Claim) -> bool:
        taken = right(self, claim)
        if taken:
            lane = self._lanes[claim.item.key]
            lane.on_its_way = None
            self._ready.append(lane)
        return taken

    patch.setattr(Lanes, "take", wrong)


def a_done_item_leaves_its_lane_standing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "delivered", lambda self, claim: self._arrived(claim))


def lanes_have_no_bound(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lanes, "room", property(lambda _self: 1000))


def a_claim_is_not_fenced_by_its_number(patch: pytest.MonkeyPatch) -> None:
    def wrong(self: InMemoryStore, claim: Claim) -> Row | None:
        row = self.table.rows.get(claim.item.id)
        return row if row is not None and row.waits and row.token == self.token else None

    patch.setattr(InMemoryStore, "_mine", wrong)


def a_claim_is_not_fenced_at_all(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryStore, "_mine", lambda self, claim: self.table.rows.get(claim.item.id))


def a_deadline_never_passes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Claim, "passed", lambda _self, _now: False)


def a_deadline_is_as_late_as_the_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lease, "until", lambda self, asked_at: asked_at + self.seconds)


def the_number_before_does_not_matter(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "predecessor", lambda _self, _item, **_others: Predecessor.DONE)


def a_missing_number_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "predecessor", lambda self, item, token, **_: self._earlier(item, token))


def a_number_of_our_own_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.predecessor

    def wrong(self: InMemoryTable, item: Item, *, is_first: bool, token: str) -> Predecessor | None:
        return Predecessor.DONE if right(self, item, is_first=is_first, token=token) else None

    patch.setattr(InMemoryTable, "predecessor", wrong)


def a_dead_number_counts_as_over(patch: pytest.MonkeyPatch) -> None:
    right = Row.is_over.fget  # type: ignore[attr-defined]
    patch.setattr(Row, "is_over", property(lambda self: right(self) or self.dead_at is not None))


def a_dead_item_is_claimed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Row, "waits", property(lambda self: self.done_at is None and self.given_up_at is None))


def a_done_item_is_claimed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Row, "waits", property(lambda self: self.dead_at is None and self.given_up_at is None))


def a_look_does_not_mind_leases(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "is_unleased", lambda _self, _row: True)


def a_run_goes_over_a_gap(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.runs

    def wrong(self: InMemoryTable, new: Sequence[tuple[Item, bool]], token: str) -> dict[str, Predecessor]:
        known = right(self, new, token)
        keys = {item.key for item, _ in new if item.id in known}
        return {item.id: known.get(item.id, Predecessor.DONE) for item, _ in new if item.key in keys}

    patch.setattr(InMemoryTable, "runs", wrong)


def a_look_cuts_the_head_off_a_run(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryStore.take

    def wrong(
        self: InMemoryStore,
        claimable: Sequence[tuple[Row, Predecessor]],
        limit: int,
        max_bytes: int,
        until: float,
    ) -> list[Claim]:
        by_due = sorted(claimable, key=lambda one: (one[0].due_at, one[0].item.id))
        return right(self, by_due, limit, max_bytes, until)

    patch.setattr(InMemoryStore, "take", wrong)


def a_known_id_is_inserted_anew(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.insert

    def wrong(self: InMemoryTable, item: Item, **born: Any) -> Arrival:
        self.remove(item.id)
        return right(self, item, **born)

    patch.setattr(InMemoryTable, "insert", wrong)


def a_refusal_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    right = OrderedQueue._follow_up

    def wrong(self: OrderedQueue, claim: Claim, result: Result, began: float) -> None:
        refused = result.kind is Kind.REFUSED
        right(self, claim, Result(Kind.DONE) if refused else result, began)

    patch.setattr(OrderedQueue, "_follow_up", wrong)


def a_failure_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    right = OrderedQueue._follow_up

    def wrong(self: OrderedQueue, claim: Claim, result: Result, began: float) -> None:
        failed = result.kind is Kind.FAILED
        right(self, claim, Result(Kind.DONE) if failed else result, began)

    patch.setattr(OrderedQueue, "_follow_up", wrong)


def what_is_given_back_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderedQueue, "_give_back", lambda _self, _claims: None)


def nothing_is_given_up_with_a_notice(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.give_up

    def wrong(self: InMemoryTable, ids: Sequence[str], notices: Sequence[Item] = ()) -> Outcome:
        return right(self, ids)

    patch.setattr(InMemoryTable, "give_up", wrong)


def what_may_be_on_its_way_is_given_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "may_be_given_up", lambda _self, row: not row.is_over)


def a_notice_stands_beside_the_row_that_was_given_up(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.give_up

    def wrong(self: InMemoryTable, ids: Sequence[str], notices: Sequence[Item] = ()) -> Outcome:
        outcome = right(self, ids, notices)
        for row in self.rows.values():
            row.number = row.item.number
        return outcome

    patch.setattr(InMemoryTable, "give_up", wrong)


def a_dead_item_that_is_put_back_forgets_that_it_was_first(patch: pytest.MonkeyPatch) -> None:
    right = InMemoryTable.redrive

    def wrong(self: InMemoryTable, ids: Sequence[str]) -> Outcome:
        for each in ids:
            self.rows[each].is_first = False
        return right(self, ids)

    patch.setattr(InMemoryTable, "redrive", wrong)


def retention_deletes_what_others_wait_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "may_be_deleted", lambda _self, _row: True)


def a_replay_does_not_see_that_the_number_before_is_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(InMemoryTable, "begins", lambda _self, row: row.is_first)


def an_open_breaker_lets_every_call_through(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "admits", lambda _self: True)


def an_open_breaker_never_probes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Breaker, "admits", lambda self: self.is_closed)


def items_are_born_claimed_while_the_sink_is_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderedQueue, "accepts", lambda _self: True)


def more_than_a_probe_is_claimed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(OrderedQueue, "_look_limit", lambda self: self.lanes.room)


def items_of_others_are_taken_over_right_after_an_outage(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WriteBack, "may_take_over", property(lambda _self: True))


MUTANTS: tuple[Mutant, ...] = tuple(
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and not name.startswith("_")
)
