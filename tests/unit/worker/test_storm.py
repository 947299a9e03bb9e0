"""A storm of dead letters stops the whole group before it is written down, until somebody lets it go on."""

import asyncio

import pytest

from tests.unit.worker.events import Sample
from tests.unit.worker.fakes import ACCEPTED, REFUSED
from tests.unit.worker.group import Group, Member, until
from tests.virtual_time import run_virtually


def a_storm(group: Group, *, bad: int = 40, good: int = 20) -> list[Sample]:
    """So many orders that are refused, with two events each, and others; returns the refused ones."""
    refused = [Sample(f"bad-{number}") for number in range(bad)]
    group.log.append(refused)
    group.log.append(Sample(f"good-{number}") for number in range(good))
    group.log.append(Sample(f"bad-{number}", 2) for number in range(bad))
    group.platform.rule = lambda e: REFUSED if (e.order_id or "").startswith("bad") else ACCEPTED
    return refused


async def tripped(group: Group, member: Member) -> None:
    """The group stands, by the ledger's row, and whatever was in flight has ended."""
    await until(lambda: group.storms.stands and member.loop.guard.has_tripped, within_seconds=30)
    await asyncio.sleep(5)


def dead(group: Group) -> int:
    """How many events the ledger calls dead."""
    return sum(row.status.value == "dead" for row in group.ledger.rows.values())


@pytest.mark.parametrize("mended", [True, False])
def test_a_whole_result_set_is_decided_before_any_of_it_is_written(mended: bool) -> None:
    """None is dead or copied, nothing is called any more; after the release all of them are asked again."""

    async def scenario() -> None:
        group = Group(batch_size=100)
        refused = a_storm(group)
        async with group.member() as member:
            await tripped(group, member)
            assert not group.dead_letters.copies
            assert dead(group) == 0
            calls = len(group.platform.calls)
            group.log.append([Sample("later")])
            await asyncio.sleep(600)
            assert len(group.platform.calls) == calls
            assert member.source.paused, "nothing more is read"
            if mended:
                group.platform.rule = lambda _: ACCEPTED
            group.storms.release()
            await group.finish(within_seconds=60)
            assert member.notes.names().count("storm_tripped") == 1
            assert member.notes.names().count("storm_released") == 1
        assert group.platform.first_arrivals("later") == [1]
        assert dead(group) == (0 if mended else len(refused))
        assert len(group.dead_letters.copies) == (0 if mended else len(refused))

    run_virtually(scenario())


def test_single_calls_stop_at_the_eleventh() -> None:
    """Ten die before; those that were in flight do not die any more."""

    async def scenario() -> None:
        group = Group()
        a_storm(group)
        async with group.member() as member:
            await tripped(group, member)
            assert dead(group) <= 10
            assert len(group.dead_letters.copies) == dead(group)
            group.storms.release()
            await until(lambda: dead(group) == 40, within_seconds=60)

    run_virtually(scenario())


def test_events_that_cannot_be_read_count_too() -> None:
    """They need no call, so nothing but the guard keeps a topic of garbage from the dead-letter topic."""

    async def scenario() -> None:
        group = Group()
        group.log.append(Sample(f"o-{number}", value=b"{") for number in range(30))
        async with group.member() as member:
            await tripped(group, member)
            assert not group.dead_letters.copies
            group.storms.release()
            await group.finish(within_seconds=60)
        assert len(group.dead_letters.copies) == 30

    run_virtually(scenario())


def test_the_storm_outlives_a_restart_and_stops_the_other_workers() -> None:
    """A new worker asks the ledger before its first call; one that runs notices within seconds."""

    async def scenario() -> None:
        group = Group(partitions=2, batch_size=100)
        other = await group.join()
        a_storm(group)
        member = await group.join()
        await until(lambda: group.storms.stands)
        await until(lambda: other.loop.guard.has_tripped and member.loop.guard.has_tripped, within_seconds=7)
        await member.stop()
        await other.stop()
        group.members.clear()
        calls = len(group.platform.calls)
        async with group.member() as restarted:
            await asyncio.sleep(60)
            assert restarted.loop.guard.has_tripped
            assert len(group.platform.calls) == calls
            group.platform.rule = lambda _: ACCEPTED
            group.storms.release()
            await until(lambda: len(set(group.platform.arrived)) == 100, within_seconds=60)
        assert not dead(group)

    run_virtually(scenario())


def test_ten_dead_letters_and_any_number_of_held_events_are_no_storm() -> None:
    """What a dead letter holds is not judged."""

    async def scenario() -> None:
        group = Group(batch_size=100)
        group.log.append(Sample(f"bad-{order}", seq) for seq in range(1, 31) for order in range(10))
        group.platform.rule = lambda _: REFUSED
        async with group.member():
            await group.finish()
        assert not group.storms.stands
        assert dead(group) == 10

    run_virtually(scenario())
