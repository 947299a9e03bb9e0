"""Members with an instance id: restarts without a rebalance, and two of one name that notice each other."""

import asyncio
import contextlib
from collections.abc import Callable

from kits.kafka.consumer import GroupConsumer
from kits.kafka.errors import InstanceIdInUseError, StaleAssignmentError
from tests.integration.kafka.clients import Diary, consuming, new_group, producing, record, soon
from tests.waiting import eventually, patient


async def polling_until(condition: Callable[[], bool], *consumers: GroupConsumer) -> None:
    """Poll all of them, as their owners would, until the condition holds."""

    async def reached() -> bool:
        await asyncio.gather(*(consumer.poll(timeout_ms=50, max_records=100) for consumer in consumers))
        return condition()

    await eventually(reached)


async def test_a_rolling_restart_rebalances_nobody_and_each_slot_gets_its_partitions_back(
    kafka_servers: str, topic: str
) -> None:
    group = new_group()
    async with contextlib.AsyncExitStack() as stack:
        diaries = {slot: Diary() for slot in ("slot-1", "slot-2")}
        members = {
            slot: await stack.enter_async_context(
                consuming(kafka_servers, topic, group, diaries[slot], instance_id=slot)
            )
            for slot in diaries
        }
        await polling_until(
            lambda: sorted(len(member.assignment()) for member in members.values()) == [1, 2],
            *members.values(),
        )
        for slot, other in (("slot-1", "slot-2"), ("slot-2", "slot-1")):
            held, heard = members[slot].assignment(), len(diaries[other].events)
            await members[slot].stop(within_seconds=3.0)
            diaries[slot] = Diary()
            members[slot] = await stack.enter_async_context(
                consuming(kafka_servers, topic, group, diaries[slot], instance_id=slot)
            )
            await polling_until(lambda: members[slot].epoch == 1, *members.values())  # noqa: B023 - awaited here
            assert members[slot].assignment() == held
            assert len(diaries[other].events) == heard, "the other member heard nothing of it"


async def test_of_two_living_members_with_one_instance_id_one_says_so_and_steps_back_for_good(
    kafka_servers: str, topic: str
) -> None:
    group = new_group()

    async def live(member: GroupConsumer) -> str:
        """As an owner does: poll and commit until it is told to give up."""
        while True:
            try:
                for at, records in (await member.poll(timeout_ms=50, max_records=10)).items():
                    with contextlib.suppress(StaleAssignmentError):
                        offset = records[-1].offset + 1
                        await member.commit({at: offset}, epoch=member.epoch, within_seconds=patient(30))
            except InstanceIdInUseError as error:
                return str(error)

    def drains() -> Diary:
        """A listener that takes its time, as one does that waits for its work in flight."""
        diary = Diary()
        diary.when_revoked = lambda: asyncio.sleep(0.2)
        return diary

    async with (
        producing(kafka_servers) as producer,
        consuming(kafka_servers, topic, group, drains(), instance_id="slot-1") as one,
    ):
        await polling_until(lambda: one.epoch == 1, one)
        async with consuming(kafka_servers, topic, group, drains(), instance_id="slot-1") as two:
            lives = {asyncio.create_task(live(one)): one, asyncio.create_task(live(two)): two}
            ended, living = await asyncio.wait(
                lives, timeout=patient(60), return_when=asyncio.FIRST_COMPLETED
            )
            assert [("'slot-1'" in task.result()) for task in ended] == [True]
            (loser,) = (lives[task] for task in ended)
            (remaining,) = living
            remaining.cancel()
            await asyncio.wait([remaining])
            winner = lives[remaining]
            await loser.stop(within_seconds=3.0)
            await polling_until(lambda: len(winner.assignment()) == 3, winner)
            epoch = winner.epoch
            # What the loser is to do: come again as an ordinary member, beside the other one.
            async with consuming(kafka_servers, topic, group, Diary()) as ordinary:
                await polling_until(
                    lambda: (
                        len(winner.assignment()) + len(ordinary.assignment()) == 3
                        and bool(ordinary.assignment())
                    ),
                    winner,
                    ordinary,
                )
                assert winner.epoch == epoch + 1
                sends = [producer.send(record(topic, f"key-{n}", n), not_after=soon()) for n in range(30)]
                await asyncio.gather(*sends)
                numbers: set[int] = set()

                async def everything_is_read() -> bool:
                    for member in (winner, ordinary):
                        for records in (await member.poll(timeout_ms=50, max_records=100)).values():
                            numbers.update(int(each.value or b"") for each in records)
                    return numbers == set(range(30))

                await eventually(everything_is_read)
                assert winner.epoch == epoch + 1
