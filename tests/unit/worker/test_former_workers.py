"""A worker of the former build and one of this build never work at once."""

import asyncio
from collections import Counter

from kits.kafka.broker_requests import GroupMember
from kits.kafka.errors import KafkaUnavailableError
from kits.kafka.group_standing import GroupStanding
from kits.kafka.records import TopicPartition
from kits.observability.health import Status
from tests.virtual_time import run_virtually
from worker.inbox.ledger.former_workers import FormerWorkers
from worker.inbox.ledger.migration import LedgerInUseError


class Watch:
    """A group whose members are named by their client ids; None: no broker answers."""

    def __init__(self, *members: str) -> None:
        self.members: tuple[str, ...] | None = members
        self.latest: GroupStanding | None = None

    async def measure(self) -> GroupStanding:
        if self.members is None:
            raise KafkaUnavailableError("no broker answers")
        members = tuple(GroupMember(name, "/10.0.0.1") for name in self.members)
        return GroupStanding("data-platform", 0.0, members, (), frozenset())


class Migration:
    """Counts its moves; `leased` of them find a command of the former build at work."""

    def __init__(self, *, leased: int = 0, has_read: bool = False) -> None:
        self.moves = 0
        self._leased = leased
        self._has_read = has_read

    async def move(self) -> Counter[str]:
        self.moves += 1
        if self.moves <= self._leased:
            raise LedgerInUseError("let these commands end")
        return Counter(dead=1)

    async def positions(self) -> dict[TopicPartition, int]:
        return {TopicPartition("order-events", 0): 1} if self._has_read else {}


def test_work_begins_when_no_former_worker_is_left() -> None:
    """Members of this build do not count; the health says who is waited for, and then the ledger moves."""
    watch, migration = Watch("order-inbox", "order-worker"), Migration()

    async def scenario() -> None:
        members = FormerWorkers(watch, migration)
        handing_over = asyncio.create_task(members.hand_over(asyncio.Event()))
        await asyncio.sleep(60)
        found = await members.check()
        assert (handing_over.done(), migration.moves, found.status) == (False, 0, Status.UNREADY)
        assert (
            "A worker of the former build is in the group data-platform (/10.0.0.1). Stop it" in found.detail
        )
        watch.members = ("order-inbox",)
        await handing_over
        assert (migration.moves, (await members.check()).status) == (1, Status.OK)
        watch.latest = GroupStanding(
            "data-platform", 0.0, (GroupMember("order-worker", "/10.0.0.2"),), (), frozenset()
        )
        assert (await members.check()).status is Status.DEGRADED

    run_virtually(scenario())


def test_without_brokers_only_a_group_that_this_build_has_read_goes_on() -> None:
    """What a former worker might hold is not known then; the inbox's own may go."""

    async def scenario() -> None:
        watch, stop = Watch(), asyncio.Event()
        watch.members = None
        known = Migration(has_read=True)
        await FormerWorkers(watch, known).hand_over(stop)
        assert known.moves == 1
        new = Migration()
        members = FormerWorkers(watch, new)
        handing_over = asyncio.create_task(members.hand_over(stop))
        await asyncio.sleep(60)
        assert "no broker answers" in (await members.check()).detail
        stop.set()
        await handing_over
        assert (new.moves, (await members.check()).status) == (0, Status.UNREADY)

    run_virtually(scenario())


def test_a_command_of_the_former_build_is_waited_for() -> None:
    """It says so, and tries again until the command has let go."""

    async def scenario() -> None:
        migration = Migration(leased=2)
        members = FormerWorkers(Watch(), migration)
        handing_over = asyncio.create_task(members.hand_over(asyncio.Event()))
        await asyncio.sleep(1)
        assert "let these commands end" in (await members.check()).detail
        await handing_over
        assert migration.moves == 3

    run_virtually(scenario())
