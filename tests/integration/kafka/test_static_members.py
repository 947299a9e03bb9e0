"""Members with an instance id: restarts without a rebalance, and two of one name that notice each other."""

import asyncio
import contextlib
from collections.abc import Callable

from kits.kafka.errors import InstanceIdInUseError
from kits.kafka.group_reader import GroupReader
from kits.kafka.records import TopicPartition
from tests.integration.kafka.clients import new_group, producing, record, soon
from tests.integration.kafka.reading import place_all, reading
from tests.waiting import eventually, patient


async def polling_until(condition: Callable[[], bool], *readers: GroupReader) -> None:
    """Poll all of them, as their owners would, until the condition holds."""

    async def reached() -> bool:
        await asyncio.gather(*(reader.poll(timeout_ms=50, max_records=100) for reader in readers))
        return condition()

    await eventually(reached)


async def test_a_rolling_restart_rebalances_nobody_and_each_slot_gets_its_partitions_back(
    kafka_servers: str, topic: str
) -> None:
    group = new_group()
    async with contextlib.AsyncExitStack() as stack:

        async def member(slot: str) -> GroupReader:
            return await stack.enter_async_context(reading(kafka_servers, topic, group, instance_id=slot))

        members = {slot: await member(slot) for slot in ("slot-1", "slot-2")}
        await polling_until(
            lambda: sorted(len(each.unplaced) for each in members.values()) == [1, 2], *members.values()
        )
        for slot, other in (("slot-1", "slot-2"), ("slot-2", "slot-1")):
            held, heard = members[slot].unplaced, members[other].rebalances
            await members[slot].stop(within_seconds=3.0)
            members[slot] = await member(slot)
            await polling_until(lambda: members[slot].unplaced == held, *members.values())  # noqa: B023 - awaited here
            assert members[other].rebalances == heard, "the other member heard nothing of it"


async def test_of_two_living_members_with_one_instance_id_one_says_so_and_steps_back_for_good(
    kafka_servers: str, topic: str
) -> None:
    group = new_group()

    async def live(member: GroupReader) -> str:
        """As an owner does: place, poll and commit until it is told to give up."""
        while True:
            try:
                with contextlib.suppress(TimeoutError):
                    await place_all(member)
                for at, records in (await member.poll(timeout_ms=50, max_records=10)).items():
                    await member.commit({at: records[-1].offset + 1}, within_seconds=patient(30))
            except InstanceIdInUseError as error:
                return str(error)

    async with (
        producing(kafka_servers) as producer,
        reading(kafka_servers, topic, group, instance_id="slot-1") as one,
    ):
        await polling_until(lambda: one.rebalances == 1, one)
        async with reading(kafka_servers, topic, group, instance_id="slot-1") as two:
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
            sends = [producer.send(record(topic, f"key-{n}", n), not_after=soon()) for n in range(30)]
            await asyncio.gather(*sends)
            # What the loser is to do: come again as an ordinary member, beside the other one.
            async with reading(kafka_servers, topic, group) as ordinary:
                numbers: set[int] = set()
                partitions: dict[GroupReader, set[TopicPartition]] = {winner: set(), ordinary: set()}

                async def both_have_read_everything() -> bool:
                    for member, seen in partitions.items():
                        await place_all(member)
                        for at, records in (await member.poll(timeout_ms=50, max_records=100)).items():
                            seen.add(at)
                            numbers.update(int(each.value or b"") for each in records)
                    return numbers == set(range(30)) and all(partitions.values())

                await eventually(both_have_read_everything)
