"""Request-reply, server: this process's member of a group that serves request and event topics."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from kits.kafka.errors import (
    KafkaConfigurationError,
    KafkaError,
    KafkaUnavailableError,
    OffsetOutOfRangeError,
    PartitionError,
    RecordsUnreadableError,
)
from kits.kafka.places import Place
from kits.kafka.records import TopicPartition
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from kits.process.background import Supervisor
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from kits.rpc.deadlines import LONGEST_SECONDS, WallClock
from kits.rpc.handlers import RpcHandler
from kits.rpc.in_flight import Dispatcher, InFlight
from kits.rpc.metrics import ServerMetrics
from kits.rpc.ports import NeededTopics, RequestReader, RequestReaders

log = get_logger(__name__)
HAND_BACK_SECONDS = 7.0
_DRAIN_SECONDS = 5.0
_POLL_MS = 200
_POLL_RECORDS = 64
_ROOM_SECONDS = 0.2
_EVERY_SECONDS = 1.0
_STEP_SECONDS = 2.0
_AGAIN = Backoff(base_seconds=0.2, cap_seconds=3.0)


class Rivals(Protocol):
    """Who else serves these topics."""

    async def refuse(self) -> None:
        """Raises: KafkaConfigurationError: another living group does."""
        ...


class RpcServer:
    """Serves handlers until it is stopped, whatever happens to Kafka.

    A request is counted as done when its reply is acknowledged, or nobody waits for it any more; a process
    that dies before leaves it to the next (at least once: see Call.once). Records of one key are handled one
    after the other, all others side by side, `max_in_flight` at most; beyond that reading pauses.
    A rebalance waits for what is under way, some seconds.
    """

    def __init__(
        self,
        *,
        handlers: Mapping[str, RpcHandler],
        dispatcher: Dispatcher,
        readers: RequestReaders,
        topics: NeededTopics,
        rivals: Rivals,
        metrics: ServerMetrics,
        clock: WallClock,
        max_in_flight: int = 256,
    ) -> None:
        self._handlers = handlers
        self._in_flight = InFlight(dispatcher, max_records=max_in_flight)
        self._readers = readers
        self._topics = topics
        self._rivals = rivals
        self._clock = clock
        self._tasks = Supervisor()
        self._repeats = Repeats(every_seconds=60.0)
        self._stop = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._ask_at = self._commit_at = 0.0
        self._asked: frozenset[TopicPartition] = frozenset()
        self._committing: asyncio.Task[bool] | None = None
        self.trouble = "Not (yet) a member of its group."
        """Why nothing is served; "" while all is well."""
        metrics.in_flight.set_function(lambda: len(self._in_flight))

    async def start(self) -> None:
        """Begin to serve, in the background; Kafka may be away."""
        self._stop.clear()
        self._ended.clear()
        self._tasks.start("rpc-server", self._run)

    async def stop(self, *, within_seconds: float = 10.0) -> None:
        """Read nothing more, let what is under way end, commit, leave the group."""
        self._stop.set()
        await wait_for(self._ended, within_seconds)
        await self._tasks.stop()

    async def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                await self._session()
            except KafkaError as error:
                self.trouble = str(error)
                wait = _AGAIN.wait_seconds(failures)
                failures += 1
                if self._repeats.due(str(error)):
                    action = "none if Kafka comes back"
                    if isinstance(error, KafkaConfigurationError):
                        action = "change what the error names; it is tried again until it works"
                    log.warning("rpc_not_served", code=error.code, error=str(error), action=action)
                await wait_for(self._stop, wait)
        self._ended.set()

    async def _session(self) -> None:
        await self._topics.ensure()
        await self._rivals.refuse()
        reader = self._readers.new(self._handlers)
        self._asked = frozenset()
        try:
            await reader.start()
            while not self._stop.is_set():
                await self._round(reader)
            await self._in_flight.drained(_DRAIN_SECONDS)
            await self._commit_all(reader)
        finally:
            self.trouble = "Not (yet) a member of its group."
            await reader.stop(_STEP_SECONDS)
            await self._in_flight.stop()

    async def _round(self, reader: RequestReader) -> None:
        await self._place(reader)
        if not self._in_flight.room.is_set():
            reader.pause()
            await wait_for(self._in_flight.room, _ROOM_SECONDS)
        has_room = self._in_flight.room.is_set()
        if has_room:
            reader.resume()
        for records in (await reader.poll(_POLL_MS if has_room else 0, _POLL_RECORDS)).values():
            await self._in_flight.add(records)
        if reader.is_handing_back:
            await self._in_flight.drained(_DRAIN_SECONDS)
            await self._commit_all(reader)
            reader.hand_back()
        self._commit(reader)
        if reader.rebalances:
            standing = "; ".join(str(error) for _, error in sorted(reader.stopped.items()))
            self.trouble = f"Partitions stand, the others go on: {standing}." if standing else ""

    async def _place(self, reader: RequestReader) -> None:
        """Ask for what was just assigned at once, for what is left every second."""
        stopped = reader.stopped
        wanted = reader.unplaced | {at for at, error in stopped.items() if self._may_go_on(at, error)}
        if not wanted or (wanted <= self._asked and time.monotonic() < self._ask_at):
            return
        self._asked |= wanted
        self._ask_at = time.monotonic() + _EVERY_SECONDS
        try:
            places = await reader.places(wanted)
            starts = await self._starts(reader, places)
            # What stands in front of damage is lost, as its callers are told by their deadlines.
            starts |= {
                at: places[at].log_end
                for at, error in stopped.items()
                if at in places and isinstance(error, RecordsUnreadableError)
            }
        except KafkaUnavailableError as error:
            log.warning("places_not_known", error=str(error), action="none if Kafka comes back")
            return
        for at, offset in starts.items():
            self._in_flight.place(at, offset)
            reader.place(at, offset)
            self._asked -= {at}

    def _may_go_on(self, at: TopicPartition, error: PartitionError) -> bool:
        """No request is worth that a partition stands; events that cannot be read wait for an operator."""
        return isinstance(error, OffsetOutOfRangeError) or not self._handlers[at.topic].is_event

    async def _starts(
        self, reader: RequestReader, places: Mapping[TopicPartition, Place]
    ) -> dict[TopicPartition, int]:
        """Where the group was; a new one begins with the requests that somebody may still wait for.

        From the log's start it would work through old ones; from its end it would lose those that were sent
        before its first assignment. Events it takes from the log's start.
        """
        starts: dict[TopicPartition, int] = {}
        for at, place in places.items():
            if place.committed is not None and place.committed <= place.log_end:
                starts[at] = max(place.committed, place.log_start)
            elif self._handlers[at.topic].is_event:
                starts[at] = place.log_start
        new = places.keys() - starts.keys()
        if new:
            waited_for = int((self._clock.now() - LONGEST_SECONDS) * 1000)
            for at, offset in (await reader.offsets_at(new, waited_for)).items():
                starts[at] = places[at].log_end if offset is None else offset
        return starts

    def _commit(self, reader: RequestReader) -> None:
        """Once a second, in the background."""
        if time.monotonic() < self._commit_at or (self._committing and not self._committing.done()):
            return
        self._commit_at = time.monotonic() + _EVERY_SECONDS
        if offsets := self._in_flight.done_before(besides=reader.unplaced):
            self._committing = asyncio.create_task(reader.commit(offsets, _STEP_SECONDS))

    async def _commit_all(self, reader: RequestReader) -> None:
        if self._committing is not None:
            await asyncio.wait({self._committing})
        if offsets := self._in_flight.done_before(besides=reader.unplaced):
            await reader.commit(offsets, _STEP_SECONDS)
