"""Rebuild: the sales made anew beside those in force, and the switch when all is there."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from kits.kafka.admin import TopicAdmin
from kits.kafka.errors import KafkaError
from kits.kafka.group_watch import GroupWatch
from kits.kafka.log_reader import LogReader
from kits.kafka.records import TopicPartition
from kits.observability.logs import get_logger
from services.sales.builds import Build
from services.sales.stream.process import EngineProcess
from services.sales.stream.watch import StreamTopics
from services.sales.table.build_registry import IN_FORCE, BuildError, BuildRegistry
from services.sales.table.follower import Follower

log = get_logger(__name__)

_LOOK_SECONDS = 0.5
_TELL_SECONDS = 5.0
_CLOCKS_DIFFER = timedelta(hours=1)


class Rebuilt(NamedTuple):
    """How a rebuild ended: how many rows came from the former build."""

    carried_over: int


class Rebuild:
    """Streams a build until everything that was in the topic is in the table, then puts it in force.

    Cut off at any moment it has changed nothing that is shown; the same again goes on where it was.
    """

    def __init__(
        self,
        *,
        build: Build,
        builds: BuildRegistry,
        topics: StreamTopics,
        engine: EngineProcess,
        watch: GroupWatch,
        follower: Follower,
        reader: LogReader,
    ) -> None:
        self._build = build
        self._builds = builds
        self._topics = topics
        self._engine = engine
        self._watch = watch
        self._follower = follower
        self._reader = reader

    async def run(self, stop: asyncio.Event) -> Rebuilt | None:
        """Do all of it; None when `stop` was set before the switch.

        Raises:
            BuildError: the name is one that is or was in force.
            StorageError: the database is away at the begin or at the switch; the same again is safe.
        """
        await self._builds.announce(self._build.name)
        end = asyncio.Event()
        making = [asyncio.create_task(work) for work in (self._stream(end), self._follower.run())]
        catching_up = asyncio.create_task(self._catch_up())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({catching_up, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                return None
            complete_from = catching_up.result()
            carried = await self._builds.switch(self._build.name, complete_from=complete_from)
            log.info("sales_switched", build=self._build.name, carried_over=carried)
            return Rebuilt(carried)
        finally:
            end.set()
            for task in (catching_up, stopping, making[1]):
                task.cancel()
            await asyncio.wait([*making, catching_up, stopping])

    async def _stream(self, end: asyncio.Event) -> None:
        await self._topics.ensure()
        await self._engine.run(end)

    async def _catch_up(self) -> datetime | None:
        """Wait until the table has all that was in the topic a moment ago; from when on the topic has all."""
        while True:
            try:
                async with self._reader as reader:
                    await self._read_up_to(await self._ends(reader, self._build.source))
                    if await reader.partition_count(self._build.by_minute):
                        await self._read_up_to(await self._ends(reader, self._build.by_minute))
                    await self._stored_up_to(await self._ends(reader, self._build.sales))
                    return await _complete_from(reader, self._build.source)
            except KafkaError as error:
                log.warning("rebuild_waits", reason=str(error), action="none if Kafka comes back")
                await asyncio.sleep(_TELL_SECONDS)

    async def _ends(self, reader: LogReader, topic: str) -> Mapping[TopicPartition, int]:
        return {at: end for at, (_, end) in (await reader.bounds(topic)).items()}

    async def _read_up_to(self, ends: Mapping[TopicPartition, int]) -> None:
        tell_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            standing = await self._watch.measure()
            reached = {each.partition: each.log_end - each.lag for each in standing.partitions}
            missing = sum(max(0, end - reached.get(at, 0)) for at, end in ends.items())
            if not missing:
                return
            if loop.time() >= tell_at:
                tell_at = loop.time() + _TELL_SECONDS
                log.info("rebuild_goes_on", build=self._build.name, records_to_read=missing)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _stored_up_to(self, ends: Mapping[TopicPartition, int]) -> None:
        def is_stored(at: TopicPartition, end: int) -> bool:
            place = self._follower.places.get(at.partition)
            return place is not None and place.next_offset >= end

        while not all(is_stored(at, end) for at, end in ends.items()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(_LOOK_SECONDS / 5)


async def _complete_from(reader: LogReader, topic: str) -> datetime | None:
    """The moment after which the topic has forgotten nothing; None if it has never forgotten anything."""
    found: list[datetime] = []
    for at, (start, end) in (await reader.bounds(topic)).items():
        if start == 0:
            continue
        first = (await reader.read(at, start, 1))[:1] if start < end else []
        when = datetime.fromtimestamp(first[0].timestamp_ms / 1000, UTC) if first else datetime.now(UTC)
        found.append(when + _CLOCKS_DIFFER)
    return max(found, default=None)


class Removal:
    """The end of a build that is not in force: its rows, then its topics."""

    def __init__(self, build: Build, builds: BuildRegistry, watch: GroupWatch, admin: TopicAdmin) -> None:
        self._build = build
        self._builds = builds
        self._watch = watch
        self._admin = admin

    async def run(self) -> None:
        """Do it; again it does what is left.

        Raises:
            BuildError: it is in force, not known, or still streamed by somebody.
            KafkaError: what of it can be seen on the brokers is left for the next time.
            StorageError: nothing was done.
        """
        state = (await self._builds.states()).get(self._build.name)
        if state in {None, IN_FORCE}:
            known = "in force" if state else "not known"
            raise BuildError(f"The build {self._build.name} is {known}: look at `builds`.")
        if members := (await self._watch.measure()).members:
            hosts = ", ".join(sorted({member.host for member in members}))
            raise BuildError(f"The build {self._build.name} is still streamed, by {hosts}: end that first.")
        await self._builds.remove(self._build.name)
        await self._admin.delete_topics(self._build.own_topics)
