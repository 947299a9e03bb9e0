"""The delivery loop under virtual time: order, outages, dead letters, gaps, rebalances."""

import asyncio
from itertools import pairwise

import pytest

from tests.unit.worker.events import Sample, an_order
from tests.unit.worker.fakes import ACCEPTED, AWAY, REFUSED
from tests.unit.worker.group import Group, until
from tests.virtual_time import run_virtually
from worker.delivery.calls import CallLimits
from worker.delivery.event import Event
from worker.delivery.failures import Answer, AnswerKind
from worker.delivery.intake import IntakeLimits
from worker.delivery.loop import Limits
from worker.delivery.seq import Block


@pytest.mark.parametrize("batch_size", [1, 10])
def test_each_order_arrives_in_its_order_and_different_orders_side_by_side(batch_size: int) -> None:
    """20 orders of 5 events take the time of some 5 calls, not of 100."""

    async def scenario() -> None:
        group = Group(batch_size=batch_size)
        for seq in range(1, 6):
            group.log.append(Sample(f"o-{number}", seq) for number in range(20))
        async with group.member():
            await group.finish()
            took = asyncio.get_running_loop().time()
        assert all(group.platform.first_arrivals(f"o-{number}") == [1, 2, 3, 4, 5] for number in range(20))
        assert len(group.platform.arrived) == 100
        assert took < 1.5

    run_virtually(scenario())


@pytest.mark.parametrize("batch_size", [1, 10])
def test_an_outage_of_half_an_hour_costs_no_dead_letter_and_everything_arrives_in_order(
    batch_size: int,
) -> None:
    """While the platform is away the pipeline waits, tries at most 5 s apart, and keeps everything."""

    async def scenario() -> None:
        group = Group(batch_size=batch_size)
        for seq in range(1, 6):
            group.log.append(Sample(f"o-{number}", seq) for number in range(30))
        group.platform.rule = lambda _: AWAY
        group.platform.batch_rule = lambda _: Answer(AnswerKind.UNREACHABLE, batch=True)
        async with group.member():
            await asyncio.sleep(1800)
            times = [at for at, _, _ in group.platform.calls]
            assert max(later - earlier for earlier, later in pairwise(times)) <= 5.1
            assert len(times) < 1800, "an outage must not be hammered"
            group.platform.rule, group.platform.batch_rule = (lambda _: ACCEPTED), (lambda _: None)
            await group.finish(within_seconds=30)
            assert {row.attempts for row in group.ledger.rows.values()} == {0}
        assert not group.dead_letters.copies
        assert all(group.platform.first_arrivals(f"o-{number}") == [1, 2, 3, 4, 5] for number in range(30))

    run_virtually(scenario())


def test_in_an_outage_reading_pauses_but_never_without_heads_of_ten_orders_that_have_not_failed() -> None:
    """They are the probes, a different one each time."""

    async def scenario() -> None:
        group = Group(limits=Limits(intake=IntakeLimits(poll_records=5)))
        group.log.append(Sample(f"o-{number}") for number in range(500))
        group.platform.rule = lambda _: AWAY
        async with group.member() as member:
            await asyncio.sleep(120)
            tried = [order for (order,) in group.platform.called]
            unfinished = member.loop.tracker.partitions[group.partitions[0]].unfinished
            assert member.source.paused
            assert 10 <= unfinished - len(set(tried)) < 20
            assert len(set(tried[:10])) == 10
            group.platform.rule = lambda _: ACCEPTED
            await group.finish()

    run_virtually(scenario())


def test_retry_after_is_honoured_up_to_a_minute() -> None:
    """A platform that asks for 40 s of rest gets them; one that asks for a day gets 60 s."""

    async def scenario(asked: float, given: float) -> None:
        group = Group()
        group.log.append([Sample()])
        group.platform.rule = lambda _: Answer(AnswerKind.STATUS, status=429, retry_after_seconds=asked)
        async with group.member():
            await until(lambda: len(group.platform.calls) == 2)
        first, second = (at for at, _, _ in group.platform.calls)
        assert given <= second - first < given + 1

    run_virtually(scenario(40, 40))
    run_virtually(scenario(86_400, 60))


@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_refused_event_holds_its_order_and_no_other(batch_size: int) -> None:
    """The dead letter is copied, the later events are held with their payload, the partition goes on."""

    async def scenario() -> None:
        group = Group(batch_size=batch_size)
        orders = {number: an_order(f"o-{number}") for number in range(4)}
        for seq in range(5):
            group.log.append(order[seq] for order in orders.values())
        group.platform.rule = lambda e: REFUSED if (e.order_id, e.seq) == ("o-1", 3) else ACCEPTED
        async with group.member():
            await group.finish()
        assert group.platform.first_arrivals("o-1") == [1, 2]
        assert all(group.platform.first_arrivals(f"o-{n}") == [1, 2, 3, 4, 5] for n in (0, 2, 3))
        statuses = [group.ledger.status(sample) for sample in orders[1]]
        assert statuses == ["delivered", "delivered", "dead", "held", "held"]
        assert group.ledger.orders["o-1"].blocked is Block.DEAD
        assert [copy.event.seq for copy in group.dead_letters.copies] == [3]

    run_virtually(scenario())


def test_what_a_dead_letter_holds_stays_held_for_another_worker() -> None:
    """A new worker asks the ledger: events that come later are held, not forwarded."""

    async def scenario() -> None:
        group = Group()
        group.log.append(an_order("o-1", 3))
        group.platform.rule = lambda event: REFUSED if event.seq == 2 else ACCEPTED
        async with group.member():
            await group.finish()
        group.members.clear()
        group.platform.rule = lambda _: ACCEPTED
        later = Sample("o-1", 4)
        group.log.append([later, Sample("o-2", 1)])
        async with group.member():
            await group.finish()
        assert group.platform.arrived == [("o-1", 1), ("o-2", 1)]
        assert group.ledger.status(later) == "held"

    run_virtually(scenario())


def test_an_event_behind_a_gap_waits_and_goes_when_the_missing_one_comes_in_time() -> None:
    """Nothing is held when the gap is filled within 30 s."""

    async def scenario() -> None:
        group = Group()
        group.log.append([Sample(seq=1), Sample(seq=3), Sample(seq=4)])
        async with group.member():
            await asyncio.sleep(20)
            assert group.platform.first_arrivals("o-1") == [1]
            group.log.append([Sample(seq=2)])
            await group.finish(within_seconds=5)
        assert group.platform.first_arrivals("o-1") == [1, 2, 3, 4]
        assert {row.status.value for row in group.ledger.rows.values()} == {"delivered"}

    run_virtually(scenario())


def test_after_thirty_seconds_a_gap_blocks_the_order_and_filling_it_releases_what_was_held() -> None:
    """Held gap events release their offsets, and go by themselves, in order, once the missing one is in."""

    async def scenario() -> None:
        group = Group()
        early = [Sample(seq=3), Sample(seq=4), Sample(seq=6)]
        group.log.append([Sample(seq=1), *early])
        async with group.member():
            await asyncio.sleep(29)
            assert group.ledger.status(early[0]) is None
            await group.finish(within_seconds=3)
            assert [group.ledger.status(each) for each in early] == ["held"] * 3
            assert group.ledger.orders["o-1"].blocked is Block.GAP
            group.log.append([Sample(seq=2)])
            await until(lambda: group.ledger.status(early[1]) == "delivered", within_seconds=3)
            await asyncio.sleep(10)
            assert group.ledger.status(early[2]) == "held"
            group.log.append([Sample(seq=5)])
            await until(lambda: group.ledger.status(early[2]) == "delivered", within_seconds=3)
            assert group.ledger.orders["o-1"].blocked is None
            group.log.append([Sample(seq=7)])
            await group.finish(within_seconds=3)
        assert group.platform.first_arrivals("o-1") == [1, 2, 3, 4, 5, 6, 7]
        assert not group.dead_letters.copies

    run_virtually(scenario())


def test_a_restart_between_filling_a_gap_and_the_release_is_made_good() -> None:
    """The worker looks for held events whose turn has come when it starts."""

    async def scenario() -> None:
        group = Group()
        held = [Sample(seq=2), Sample(seq=3)]
        group.log.append(held)
        async with group.member():
            await group.finish(within_seconds=40)
        group.members.clear()
        group.ledger.orders["o-1"].last_seq = 1
        async with group.member():
            await until(lambda: group.ledger.status(held[1]) == "delivered", within_seconds=10)
        assert group.platform.first_arrivals("o-1") == [2, 3]
        assert group.ledger.orders["o-1"].blocked is None

    run_virtually(scenario())


def test_repeats_in_the_topic_are_not_forwarded_again() -> None:
    """Neither a repeat of the same event nor an older number of its order goes out twice."""

    async def scenario() -> None:
        group = Group()
        order = an_order("o-1", 3)
        group.log.append([*order, *order, Sample("o-1", 2)])
        async with group.member():
            await group.finish()
        group.members.clear()
        group.log.append(order)
        async with group.member() as member:
            await group.finish()
            assert member.notes.names().count("suppressed") == 3
        assert group.platform.arrived == [("o-1", 1), ("o-1", 2), ("o-1", 3)]

    run_virtually(scenario())


def test_an_unreadable_event_of_an_order_is_dead_and_holds_that_order() -> None:
    """It is identified by its headers; without them it holds nothing."""

    async def scenario() -> None:
        group = Group()
        broken = Sample("o-1", 2, value=b"{")
        nameless = Sample("o-2", 1, value=None, without=frozenset({"ce_id", "ce_subject", "order_seq"}))
        group.log.append([Sample("o-1", 1), broken, Sample("o-1", 3), nameless, Sample("o-2", 1)])
        async with group.member():
            await group.finish()
        assert sorted(group.platform.arrived) == [("o-1", 1), ("o-2", 1)]
        codes = [copy.failure.code for copy in group.dead_letters.copies if copy.failure]
        assert sorted(codes) == ["empty_value", "undecodable_value"]
        assert group.ledger.status(broken) == "dead"

    run_virtually(scenario())


def test_while_ledger_or_dead_letter_topic_are_away_no_offset_moves_and_nothing_is_lost() -> None:
    """Both are waited for; a dead letter is never recorded before it was copied."""

    async def scenario() -> None:
        group = Group()
        group.log.append([Sample("o-1", 1), Sample("o-2", 1), Sample("o-2", 2)])
        group.platform.rule = lambda event: REFUSED if event.order_id == "o-1" else ACCEPTED
        group.dead_letters.away = True
        async with group.member():
            await asyncio.sleep(60)
            assert group.platform.first_arrivals("o-2") == [1, 2]
            assert group.log.committed[group.partitions[0]] == 0
            assert "o-1" not in group.ledger.orders
            group.ledger.away, group.dead_letters.away = True, False
            await asyncio.sleep(60)
            assert group.log.committed[group.partitions[0]] == 0
            group.log.append([Sample("o-3", 1)])
            await asyncio.sleep(60)
            group.ledger.away = False
            await group.finish(within_seconds=15)
        assert group.platform.first_arrivals("o-3") == [1]
        assert group.ledger.orders["o-1"].blocked is Block.DEAD

    run_virtually(scenario())


def test_memory_is_bounded_while_the_platform_is_slow() -> None:
    """Over the limit the partition is paused; it goes on when there is room."""

    async def scenario() -> None:
        intake = IntakeLimits(records=50, poll_records=20)
        group = Group(limits=Limits(intake=intake, calls=CallLimits(single_calls=5)))
        group.log.append(Sample(f"o-{number}", 1) for number in range(500))
        group.platform.longest_call_seconds = 300.0
        async with group.member() as member:
            await until(lambda: bool(member.loop.intake.open_partitions))
            await until(lambda: bool(member.source.paused))
            offsets = member.loop.tracker.partitions[group.partitions[0]]
            assert 50 <= offsets.unfinished < 70
            group.platform.longest_call_seconds = 0.02
            await group.finish()
        assert len(set(group.platform.arrived)) == 500

    run_virtually(scenario())


def test_a_platform_without_batches_gets_single_calls_from_then_on() -> None:
    """404, 405 and 501 on the batch path are told once, and the same events go singly."""

    async def scenario() -> None:
        group = Group(batch_size=10)
        group.log.append(Sample(f"o-{number}", 1) for number in range(50))
        group.platform.batch_rule = lambda _: Answer(AnswerKind.STATUS, batch=True, status=404)
        async with group.member() as member:
            await group.finish()
            assert member.notes.names().count("batches_ended") == 1
        assert len(group.platform.arrived) == 50
        assert sum(batch for _, _, batch in group.platform.calls) <= CallLimits().batch_calls

    run_virtually(scenario())


def test_an_assignment_that_ends_while_a_poll_is_read_leaves_the_rest_to_the_next_one() -> None:
    """A long poll is read in stretches; what is left of it belongs to nobody when the partitions change."""

    async def scenario() -> None:
        group = Group(batch_size=10)
        group.log.append(Sample(f"o-{number}", 1) for number in range(900))
        async with group.member() as member:
            begun, received = asyncio.Event(), list[Event]()

            def note(event: Event) -> None:
                received.append(event)
                begun.set()

            vars(member.notes)["received"] = note
            await begun.wait()
            await member.revoke()
            await member.assign(group.partitions)
            assert len(received) < 300, "the poll was read to its end"
            await group.finish()
        assert sorted(set(group.platform.arrived)) == sorted((f"o-{number}", 1) for number in range(900))
        assert all(group.platform.first_arrivals(f"o-{number}") == [1] for number in range(900))

    run_virtually(scenario())


def test_an_order_whose_beginning_is_gone_begins_with_its_first_event_and_is_counted() -> None:
    """Only where the log had lost its start when the group first saw it; elsewhere that is a gap."""

    async def scenario() -> None:
        group = Group()
        group.log.starts[group.partitions[0]] = 100
        first = Sample("o-1", 4)
        group.log.append([first, Sample("o-1", 5)])
        async with group.member():
            await group.finish(within_seconds=5)
        assert group.platform.first_arrivals("o-1") == [4, 5]
        assert group.ledger.rows[first.event_id].verdict.baseline

    run_virtually(scenario())


def test_a_lost_offset_stops_its_partition_instead_of_rewinding() -> None:
    """A partition that the ledger knows and the group has no offset for is not consumed."""

    async def scenario() -> None:
        group = Group()
        group.log.append([Sample()])
        group.ledger.partitions[group.partitions[0]] = 0
        async with group.member() as member:
            await asyncio.sleep(30)
            assert member.loop.intake.stopped == {group.partitions[0]: "offsets_missing"}
            assert "partition_stopped" in member.notes.names()
        assert not group.platform.calls
        assert not group.log.committed

    run_virtually(scenario())
