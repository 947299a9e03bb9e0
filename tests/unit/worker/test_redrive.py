"""Redrive, skip and discard under virtual time: in order, fenced, interrupted, twice, beside a worker."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.unit.worker.events import an_order
from tests.unit.worker.fakes import ACCEPTED, AWAY, REFUSED, InMemoryLedger
from tests.unit.worker.group import Group, until
from tests.unit.worker.stuck import InMemoryStuckOrders, Operator, stuck_order
from tests.virtual_time import run_virtually
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.operator_actions import Redriving
from worker.delivery.seq import Block, OrderState
from worker.delivery.stuck import Wanted
from worker.delivery.verdicts import Status, Verdict

FAILED = Answer(AnswerKind.STATUS, status=500)
BUSY = Answer(AnswerKind.STATUS, status=429, retry_after_seconds=7.0)


def test_dead_and_held_events_go_in_order_with_their_own_ids() -> None:
    """And the order is free afterwards, with a note of who did it."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        order = await stuck_order(operator.ledger)
        assert await operator.act(Redriving()) == {"o-1": ""}
        assert operator.platform.keys == [sample.event_id for sample in order[1:]]
        assert operator.ledger.orders["o-1"] == OrderState(5)
        assert [note.action for _, note in operator.stuck.notes] == ["redrive"]
        assert not operator.ledger.leases
        assert await operator.act(Redriving()) == {}

    run_virtually(main())


def test_what_is_refused_again_stays_dead_and_holds_its_order_only() -> None:
    """The attempt counts; the dead-letter topic has its copy already."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        order, _ = await stuck_order(operator.ledger), await stuck_order(operator.ledger, "o-2")
        operator.platform.rule = lambda event: REFUSED if event.order_id == "o-1" else ACCEPTED
        left = await operator.act(Redriving())
        assert "refused again (http_422: no such product)" in left.pop("o-1")
        assert left == {"o-2": ""}
        row = operator.ledger.rows[order[1].event_id]
        assert (row.status, row.verdict.event.attempts) == (Status.DEAD, 2)
        assert not operator.dead_letters.copies
        assert operator.platform.first_arrivals("o-1") == []

    run_virtually(main())


def test_a_held_event_that_is_refused_is_copied_and_dead() -> None:
    """As if the worker had found it out."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        order = await stuck_order(operator.ledger)
        operator.platform.rule = lambda event: REFUSED if event.seq == 4 else ACCEPTED
        assert "refused" in (await operator.act(Redriving()))["o-1"]
        assert [copy.event.seq for copy in operator.dead_letters.copies] == [4]
        assert operator.ledger.orders["o-1"] == OrderState(3, Block.DEAD)
        assert operator.ledger.status(order[4]) == "held"

    run_virtually(main())


@pytest.mark.parametrize(
    "answer", [AWAY, Answer(AnswerKind.UNREACHABLE), Answer(AnswerKind.STATUS, status=401)]
)
def test_while_the_platform_is_out_it_stops_and_spends_nothing(answer: Answer) -> None:
    """One call finds it out; all orders are left as they are."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        for name in ("o-1", "o-2", "o-3"):
            await stuck_order(operator.ledger, name)
        before = dict(operator.ledger.rows)
        operator.platform.rule = lambda _: answer
        left = await operator.act(Redriving())
        assert len([reason for reason in left.values() if "takes nothing now" in reason]) == 3
        assert len(operator.platform.calls) == 1
        assert operator.ledger.rows == before
        assert not operator.ledger.leases
        operator.platform.rule = lambda _: ACCEPTED
        assert set((await operator.act(Redriving())).values()) == {""}

    run_virtually(main())


def test_an_event_that_fails_alone_is_left_and_ten_in_a_row_are_an_outage() -> None:
    """Nothing is spent by either."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        for number in range(12):
            await stuck_order(operator.ledger, f"o-{number:02}")
        operator.platform.rule = lambda event: FAILED if event.order_id == "o-03" else ACCEPTED
        left = await operator.act(Redriving())
        assert [order for order, reason in left.items() if reason] == ["o-03"]
        for number in range(20, 32):
            await stuck_order(operator.ledger, f"o-{number:02}")
        operator.platform.rule = lambda _: FAILED
        operator.platform.calls.clear()
        assert all((await operator.act(Redriving())).values())
        assert len(operator.platform.calls) == 10
        assert all(row.verdict.event.attempts <= 1 for row in operator.ledger.rows.values())

    run_virtually(main())


def test_a_platform_that_asks_for_time_gets_it() -> None:
    """Retry-After is honoured, and then the same event goes."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)
        answers = iter([BUSY, ACCEPTED])
        operator.platform.rule = lambda event: next(answers, ACCEPTED)
        assert await operator.act(Redriving()) == {"o-1": ""}
        first, second = (began for began, _, _ in operator.platform.calls[:2])
        assert second - first >= 7.0
        assert operator.platform.first_arrivals("o-1") == [2, 3, 4, 5]

    run_virtually(main())


def test_a_rate_is_kept() -> None:
    """Two events per second: the last of four goes 1.5 s after the first."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)
        await operator.act(Redriving(), per_second=2)
        began = [at for at, _, _ in operator.platform.calls]
        assert began[-1] - began[0] >= 1.5

    run_virtually(main())


def test_two_at_the_same_time_send_each_event_once() -> None:
    """The second waits for the first, and finds nothing left."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        for number in range(5):
            await stuck_order(operator.ledger, f"o-{number}")
        results = await asyncio.gather(operator.act(Redriving()), operator.act(Redriving()))
        assert [set(result.values()) for result in results] == [{""}, {""}]
        assert len(operator.platform.keys) == len(set(operator.platform.keys)) == 20
        assert not operator.platform.violations

    run_virtually(main())


def test_a_signal_lets_the_event_in_hand_end_and_leaves_the_rest() -> None:
    """The lease is given back; the same command again goes on."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)
        stop = asyncio.Event()

        def accept_and_stop(_event: Event) -> Answer:
            stop.set()
            return ACCEPTED

        operator.platform.rule = accept_and_stop
        assert "interrupted" in (await operator.act(Redriving(), stop=stop))["o-1"]
        assert operator.ledger.orders["o-1"] == OrderState(2, Block.GAP)
        assert not operator.ledger.leases
        assert await operator.act(Redriving()) == {"o-1": ""}
        assert operator.platform.keys == list(dict.fromkeys(operator.platform.keys))

    run_virtually(main())


async def _killed(work: Coroutine[Any, Any, Any], stuck: InMemoryStuckOrders, after: float) -> None:
    """Run and end at once after some seconds: nothing is given back."""
    task = asyncio.create_task(work)
    await asyncio.wait({task}, timeout=after)
    stuck.is_killed = True
    task.cancel()
    await asyncio.wait({task})
    stuck.is_killed = False


@pytest.mark.parametrize("seed", range(12))
def test_killed_at_any_moment_and_repeated_the_order_is_kept_and_nothing_lost(seed: int) -> None:
    """The second waits for the lease of the dead one; at most the event in hand is repeated."""

    async def main() -> None:
        rng = random.Random(seed)  # noqa: S311
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger, last_seq=8)
        await _killed(operator.act(Redriving()), operator.stuck, rng.uniform(0, 0.2))
        left = await operator.act(Redriving())
        assert set(left.values()) <= {""}
        assert operator.platform.first_arrivals("o-1") == list(range(2, 9)), f"seed {seed}"
        assert len(operator.platform.keys) <= 8
        assert operator.ledger.orders["o-1"] == OrderState(8)

    run_virtually(main())


@pytest.mark.parametrize("seed", range(12))
def test_beside_a_worker_while_new_events_arrive_and_killed(seed: int) -> None:
    """The worker resumes what was left, when the lease has run out; every order is kept."""

    async def main() -> None:
        rng = random.Random(seed)  # noqa: S311
        group = Group(seed)
        refused = {f"o-{number}" for number in range(3)}
        group.platform.rule = lambda event: (
            REFUSED if event.order_id in refused and event.seq == 2 else ACCEPTED
        )
        orders = {f"o-{number}": an_order(f"o-{number}", 12) for number in range(4)}
        for order in orders.values():
            group.log.append(order[:5])
        operator = Operator(group.ledger, group.platform)
        async with group.member():
            await group.finish()
            refused.clear()
            acting = asyncio.create_task(
                _killed(operator.act(Redriving()), operator.stuck, rng.uniform(0, 0.3))
            )
            for seq in range(5, 12):
                group.log.append(order[seq] for order in orders.values())
                await asyncio.sleep(rng.uniform(0, 0.05))
            await acting
            if rng.random() < 0.5:
                await operator.act(Redriving())
            await group.finish()
            await operator.act(Redriving())
            await until(lambda: all(group.ledger.orders[name] == OrderState(12) for name in orders))
        for name in orders:
            assert group.platform.first_arrivals(name) == list(range(1, 13)), f"seed {seed}"

    run_virtually(main())


def test_the_worker_resumes_what_an_interrupted_redrive_left_and_not_before() -> None:
    """Without a dead one, and without a living lease."""

    async def main() -> None:
        group = Group()
        group.platform.rule = lambda event: REFUSED if event.seq == 2 else ACCEPTED
        group.log.append(an_order("o-1", 5))
        async with group.member():
            await group.finish()
            group.platform.rule = lambda _: ACCEPTED
            operator = Operator(group.ledger, group.platform)
            (case,) = await operator.stuck.cases(Wanted())
            lease = await operator.stuck.take(case, None)
            assert lease is not None
            head = await operator.stuck.head(case)
            assert head is not None
            await group.ledger.record([Verdict(head.event, Status.DELIVERED)])
            await asyncio.sleep(12)
            assert group.platform.first_arrivals("o-1") == [1]
            await until(lambda: group.ledger.orders["o-1"] == OrderState(5), within_seconds=30)
        assert group.platform.first_arrivals("o-1") == [1, 3, 4, 5]

    run_virtually(main())


def test_a_lost_lease_ends_the_work_on_its_order() -> None:
    """Another command has taken it: what it does counts."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)

        def lose(_event: Event) -> Answer:
            operator.ledger.leases["o-1"] = ("somebody-else", 1e9)
            return ACCEPTED

        operator.platform.rule = lose
        assert "another command" in (await operator.act(Redriving()))["o-1"]
        assert operator.platform.first_arrivals("o-1") == [2]
        assert operator.ledger.orders["o-1"].last_seq == 2

    run_virtually(main())


def test_a_ledger_that_is_away_ends_the_work_and_nothing_is_lost() -> None:
    """What was sent and not written is repeated by the next try."""

    async def main() -> None:
        operator = Operator(InMemoryLedger())
        await stuck_order(operator.ledger)

        def lose_the_ledger(_event: Event) -> Answer:
            operator.ledger.away = True
            return ACCEPTED

        operator.platform.rule = lose_the_ledger
        assert "away" in (await operator.act(Redriving()))["o-1"]
        operator.ledger.away = False
        operator.platform.rule = lambda _: ACCEPTED
        assert await operator.act(Redriving()) == {"o-1": ""}
        assert operator.platform.first_arrivals("o-1") == [2, 3, 4, 5]

    run_virtually(main())
