"""Events that fail while others succeed: parked, tried again by time, dead only after a long while."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count, pairwise

import pytest

from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import ACCEPTED
from tests.unit.worker.group import Group, Member, until
from tests.virtual_time import run_virtually
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.halt import MisconfiguredError
from worker.delivery.seq import Block

LONELY = [AnswerKind.TIMEOUT, AnswerKind.BROKEN, AnswerKind.BUG, 500, 501, 401, 404, 302]


def an_answer(what: AnswerKind | int) -> Answer:
    """That kind of end, or that status."""
    return Answer(what) if isinstance(what, AnswerKind) else Answer(AnswerKind.STATUS, status=what)


@asynccontextmanager
async def traffic(group: Group, *, every_seconds: float = 1.0) -> AsyncIterator[None]:
    """New orders come in all the time."""

    async def go_on() -> None:
        for number in count():
            group.log.append([Sample(f"traffic-{number}")])
            await asyncio.sleep(every_seconds)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()


def failing(group: Group, *order_ids: str, by: AnswerKind | int = 500) -> None:
    """From now on all events of these orders fail, and no others."""
    group.platform.rule = lambda event: an_answer(by) if event.order_id in order_ids else ACCEPTED


def calls_of(group: Group, order_id: str) -> int:
    """How often this order was tried or delivered."""
    return sum(order_id in orders for orders in group.platform.called)


@pytest.mark.parametrize("answer", LONELY)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_at_its_second_failure_an_order_is_parked_and_no_other_waits(
    answer: AnswerKind | int, batch_size: int
) -> None:
    """Its offset is released, its later events are held, and it goes on by itself once it is taken."""

    async def scenario() -> None:
        group = Group(batch_size=batch_size)
        bad = an_order("bad", 3)
        group.log.append([*bad[:2], *an_order("good", 3)])
        failing(group, "bad", by=answer)
        async with group.member(), traffic(group):
            await until(lambda: group.ledger.status(bad[1]) == "held", within_seconds=20)
            assert group.ledger.status(bad[0]) == "retrying"
            assert group.ledger.orders["bad"].blocked is Block.GAP
            await until(lambda: group.log.committed[group.partitions[0]] >= 5, within_seconds=5)
            assert group.platform.first_arrivals("good") == [1, 2, 3]
            group.log.append([bad[2]])
            await until(lambda: group.ledger.status(bad[2]) == "held", within_seconds=5)
            group.platform.rule = lambda _: ACCEPTED
            await until(lambda: group.ledger.status(bad[2]) == "delivered", within_seconds=150)
        assert group.platform.first_arrivals("bad") == [1, 2, 3]
        assert group.ledger.orders["bad"].blocked is None
        assert not group.dead_letters.copies

    run_virtually(scenario())


def test_it_dies_only_after_five_attempts_and_ten_minutes() -> None:
    """With waits between that grow; its later events are held then as behind any dead letter."""

    async def scenario() -> None:
        group = Group()
        bad = an_order("bad", 2)
        group.log.append(bad)
        failing(group, "bad")
        async with group.member(), traffic(group):
            await until(lambda: group.ledger.status(bad[0]) == "retrying", within_seconds=20)
            await asyncio.sleep(570)
            assert group.ledger.status(bad[0]) == "retrying"
            assert calls_of(group, "bad") >= 5
            await until(lambda: group.ledger.status(bad[0]) == "dead", within_seconds=300)
            assert calls_of(group, "bad") < 30
        (copy,) = group.dead_letters.copies
        assert copy.event.attempts >= 5
        assert copy.failure is not None
        assert (copy.failure.error_class, copy.failure.code) == ("failing_alone", "http_500")
        assert group.ledger.status(bad[1]) == "held"
        assert group.ledger.orders["bad"].blocked is Block.DEAD

    run_virtually(scenario())


def test_without_the_success_of_another_order_nothing_is_spent_and_nobody_dies() -> None:
    """An order alone in the system is tried again in place, at most five seconds apart."""

    async def scenario() -> None:
        group = Group()
        group.log.append([Sample("bad")])
        failing(group, "bad")
        async with group.member():
            await asyncio.sleep(3600)
            assert not group.ledger.rows
            times = [at for at, _, _ in group.platform.calls]
            assert max(later - earlier for earlier, later in pairwise(times)) <= 5.1
            group.platform.rule = lambda _: ACCEPTED
            await group.finish(within_seconds=6)
        assert group.ledger.rows.popitem()[1].attempts == 0

    run_virtually(scenario())


def test_a_parked_order_is_resumed_after_a_restart_by_whoever_has_its_partition() -> None:
    """Its attempts and the time of its first failure are in the ledger."""

    async def scenario() -> None:
        group = Group(partitions=2)
        bad = an_order("bad", 2)
        group.log.append(bad, partitions=2)
        failing(group, "bad")
        async with group.member(), traffic(group):
            await until(lambda: group.ledger.status(bad[1]) == "held", within_seconds=20)
        group.members.clear()
        before = group.ledger.rows[bad[0].event_id]
        async with group.member(), traffic(group):
            await until(lambda: group.ledger.rows[bad[0].event_id] is not before)
            after = group.ledger.rows[bad[0].event_id]
            assert after.attempts >= before.attempts
            assert after.verdict.event.first_failed_at == before.verdict.event.first_failed_at
            await group.join()
            await group.rebalance()
            group.platform.rule = lambda _: ACCEPTED
            await until(lambda: group.ledger.status(bad[1]) == "delivered", within_seconds=150)
            await group.members[-1].stop()
        assert group.platform.first_arrivals("bad") == [1, 2]

    run_virtually(scenario())


@pytest.mark.parametrize("status", [502, 500, 404])
def test_many_orders_that_fail_at_once_hold_up_nobody(status: int) -> None:
    """Even more of them than heads are kept while the breaker is open."""

    async def scenario() -> None:
        group = Group()
        bad = [f"bad-{number}" for number in range(25)]
        group.log.append(Sample(name) for name in bad)
        group.log.append(Sample(f"good-{number}") for number in range(50))
        failing(group, *bad, by=status)
        async with group.member(), traffic(group):
            await until(
                lambda: all(group.platform.first_arrivals(f"good-{number}") for number in range(50)),
                within_seconds=120,
            )
            await until(lambda: group.log.committed[group.partitions[0]] >= 75, within_seconds=300)
            assert {group.ledger.status(sample) for sample in group.log.samples("bad")} == {"retrying"}
            group.platform.rule = lambda _: ACCEPTED
            await until(lambda: all(group.platform.first_arrivals(name) for name in bad))
        assert not group.dead_letters.copies

    run_virtually(scenario())


def test_an_event_that_makes_the_gateway_fail_is_parked_without_an_attempt() -> None:
    """502 is an outage for the breaker, and for ever so; but others were delivered again and again."""

    async def scenario() -> None:
        group = Group()
        bad = Sample("bad")
        group.log.append([bad])
        failing(group, "bad", by=502)
        async with group.member(), traffic(group):
            await until(lambda: group.ledger.status(bad) == "retrying", within_seconds=60)
            await asyncio.sleep(1800)
            assert group.ledger.rows[bad.event_id].attempts == 0
        assert not group.dead_letters.copies

    run_virtually(scenario())


def test_when_every_call_is_refused_for_a_minute_the_worker_halts_and_nothing_has_died() -> None:
    """Unready soon, ended after a minute; all events are still to come."""

    async def scenario() -> None:
        group = Group()
        group.log.append(Sample(f"o-{number}") for number in range(30))
        failing(group, *(f"o-{number}" for number in range(30)), by=401)
        member = await group.join()
        await asyncio.sleep(5)
        assert member.loop.driver.calls.halt.is_unready
        with pytest.raises(ExceptionGroup) as ended:
            await member.task
        assert ended.group_contains(MisconfiguredError)
        assert 60 <= asyncio.get_running_loop().time() < 75
        assert not group.ledger.rows
        assert group.log.committed[group.partitions[0]] == 0

    run_virtually(scenario())


@pytest.mark.parametrize("between", [ACCEPTED, Answer(AnswerKind.STATUS, status=503)])
def test_a_success_or_an_outage_in_between_begins_that_minute_anew(between: Answer) -> None:
    """Somebody is mending something."""

    async def scenario() -> None:
        group = Group()
        wrong = Answer(AnswerKind.STATUS, status=401)

        def rule(_: object) -> Answer:
            return between if int(asyncio.get_running_loop().time()) % 50 < 8 else wrong

        group.platform.rule = rule
        member: Member
        async with group.member() as member, traffic(group):
            await asyncio.sleep(600)
            assert not member.task.done()

    run_virtually(scenario())


@pytest.mark.parametrize("answer", LONELY)
@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_short_outage_that_looks_like_single_failures_spends_nothing(
    answer: AnswerKind | int, batch_size: int
) -> None:
    """It meets everybody, in the midst of the work and however long the calls are: nobody is parked of it."""

    async def scenario() -> None:
        for seed in range(20):
            group = Group(seed, batch_size=batch_size)
            group.platform.longest_call_seconds = 0.1
            begin = asyncio.get_running_loop().time() + 1 + seed / 30

            def rule(_: object, begin: float = begin) -> Answer:
                away = begin <= asyncio.get_running_loop().time() < begin + 0.4
                return an_answer(answer) if away else ACCEPTED

            group.platform.rule = rule
            async with group.member(), traffic(group, every_seconds=0.07):
                await asyncio.sleep(3)
            assert {(row.status, row.attempts) for row in group.ledger.rows.values()} == {("delivered", 0)}

    run_virtually(scenario())
