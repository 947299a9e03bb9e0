"""Consumer group: the one loop of all groups: place, poll, handle, commit; a lost reader is built anew."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from kits.kafka.errors import (
    InstanceIdInUseError,
    KafkaConfigurationError,
    KafkaError,
    KafkaUnavailableError,
)
from kits.kafka.group_reader import GroupReader
from kits.kafka.records import TopicPartition
from kits.observability.health import CheckResult, HealthCheck, Status
from kits.observability.logs import get_logger
from kits.process.waiting import wait_for
from kits.resilience.retry import Backoff
from worker.handler import Handler, HandlerUnavailableError, Records, RecordValues

log = get_logger(__name__)

_POLL_MS = 200
_POLL_RECORDS = 1_000
_EVERY_SECONDS = 1.0
_STEP_SECONDS = 3.0
_LATE_SECONDS = 30.0
_HELD_SECONDS = 2.0
_REBUILD = Backoff(base_seconds=0.5, cap_seconds=5.0)
_AGAIN = Backoff(base_seconds=0.2, cap_seconds=3.0)


class Readers(Protocol):
    """Makes the members of one group."""

    def new(self, *, in_slot: bool) -> GroupReader:
        """A reader that is not started; `in_slot`: under the instance id of this process's slot, if any."""
        ...


class Topics(Protocol):
    """The topics of a group."""

    async def ensure(self) -> None:
        """Make what is missing. Raises: KafkaUnavailableError."""
        ...


class ConsumerGroup:
    """This process's member of one group, under whatever happens to Kafka. Memory counts for nothing."""

    def __init__(
        self, name: str, readers: Readers, values: RecordValues, handler: Handler, topics: Topics
    ) -> None:
        self.name = name
        self._readers = readers
        self._values = values
        self._handler = handler
        self._topics = topics
        self.reader: GroupReader | None = None
        """The present member; None while there is none."""
        self.in_slot = True
        """False once another living worker had our instance id."""
        self.rebuilds: dict[str, int] = {}
        """How often a reader was given up, by the code of the error."""
        self.last_round = time.monotonic()
        """When the loop last came round, on the monotonic clock."""
        self._anew: set[TopicPartition] = set()
        self._asked: frozenset[TopicPartition] = frozenset()
        self._ask_at = self._look_at = self._resume_at = self._commit_at = 0.0
        self._failures = 0
        self._was_member = False
        self._reached: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[bool] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set. Whatever Kafka does, it goes on with a new reader."""
        failures = 0
        while not stop.is_set():
            try:
                await self._session(stop)
            except KafkaError as error:
                failures = 0 if self._was_member else failures + 1
                self.in_slot = self.in_slot and not isinstance(error, InstanceIdInUseError)
                wait = _REBUILD.wait_seconds(failures)
                self.rebuilds[error.code] = self.rebuilds.get(error.code, 0) + 1
                log.warning(
                    "consumer_lost", group=self.name, code=error.code, error=str(error),
                    again_in_seconds=round(wait, 2), action=_action(error),
                )  # fmt: skip
                await wait_for(stop, wait)

    async def close(self) -> None:
        """After the end of run()."""
        await self._values.close()

    def checks(self) -> list[HealthCheck]:
        """What the probes ask."""
        return [ConsumerCheck(self), self._values]

    async def _session(self, stop: asyncio.Event) -> None:
        self._asked, self._reached = frozenset(), {}
        self._anew.clear()
        await self._topics.ensure()
        reader = self._readers.new(in_slot=self.in_slot)
        try:
            await reader.start()
            self.reader = reader
            while not stop.is_set():
                await self._round(reader)
                self.last_round = time.monotonic()
            if self._committing is not None:
                await self._committing
            if self._reached:
                await reader.commit(self._reached, within_seconds=_STEP_SECONDS)
        finally:
            self.reader, self._was_member = None, reader.rebalances > 0
            await reader.stop(within_seconds=_STEP_SECONDS)

    async def _round(self, reader: GroupReader) -> None:
        records: Records = {}
        try:
            await self._place(reader)
            if self._handler.has_room and time.monotonic() >= self._resume_at:
                reader.resume()
            else:
                reader.pause()
            records, held = await self._values.read(await reader.poll(_POLL_MS, _POLL_RECORDS))
            for error in held:
                reader.hold(error, _HELD_SECONDS)
            if records or time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + _EVERY_SECONDS
                self._go_on(reader, records, await self._handler.handle(records))
            self._failures = 0
        except HandlerUnavailableError as error:
            self._keep(reader, records, error)
        self._commit(reader)

    async def _place(self, reader: GroupReader) -> None:
        """Ask for what was just assigned at once, for what is left every second."""
        wanted = reader.unplaced | self._anew
        if not wanted or (wanted <= self._asked and time.monotonic() < self._ask_at):
            return
        self._asked |= wanted
        try:
            places = await reader.places(wanted, within_seconds=_STEP_SECONDS)
        except KafkaUnavailableError as error:
            log.warning("places_not_known", group=self.name, error=str(error), action="see /readyz")
            places = {}
        starts = await self._handler.begin(places) if places else {}
        # A partition without a leader takes the time of all others: it is not asked for so often.
        every = _EVERY_SECONDS if places.keys() == wanted else 10 * _EVERY_SECONDS
        self._ask_at = time.monotonic() + every
        for at, offset in starts.items():
            reader.place(at, offset)
            self._asked -= {at}
            self._anew.discard(at)
            self._reached[at] = offset
            log.info(
                "partition_placed", group=self.name, topic=at.topic, partition=at.partition, offset=offset
            )

    def _go_on(
        self, reader: GroupReader, records: Records, answer: Mapping[TopicPartition, int | None]
    ) -> None:
        for at, offset in answer.items():
            if offset is None:
                self._anew.add(at)
                continue
            self._reached[at] = offset
            if at not in records or offset != records[at][-1].offset + 1:
                _move(reader, at, offset)

    def _keep(self, reader: GroupReader, records: Records, error: HandlerUnavailableError) -> None:
        for at, batch in records.items():
            _move(reader, at, batch[0].offset)
        wait = _AGAIN.wait_seconds(self._failures)
        self._failures += 1
        self._resume_at = self._look_at = self._ask_at = time.monotonic() + wait
        log.warning("handler_unavailable", group=self.name, reason=str(error), action="see /readyz")

    def _commit(self, reader: GroupReader) -> None:
        """For lag tools and other readers; one at a time, in the background."""
        if time.monotonic() < self._commit_at or (self._committing and not self._committing.done()):
            return
        self._commit_at = time.monotonic() + _EVERY_SECONDS
        if self._reached:
            offsets, self._reached = self._reached, {}
            self._committing = asyncio.create_task(reader.commit(offsets, within_seconds=_STEP_SECONDS))


class ConsumerCheck:
    """Unready while the group does not get on here, or a partition stands: it says which, and where."""

    def __init__(self, group: ConsumerGroup) -> None:
        self.name = f"consumer_{group.name.replace('-', '_')}"
        self._group = group

    async def check(self) -> CheckResult:
        """From memory."""
        reader = self._group.reader
        if reader is None or not reader.rebalances:
            return CheckResult(Status.UNREADY, "Not (yet) a member of its group.")
        if time.monotonic() - self._group.last_round > _LATE_SECONDS:
            return CheckResult(Status.UNREADY, f"Nothing was read or stored for {_LATE_SECONDS:.0f} s.")
        if reader.stopped:
            stopped = "; ".join(str(error) for _, error in sorted(reader.stopped.items()))
            return CheckResult(Status.UNREADY, f"Partitions stand, the others go on: {stopped}.")
        if not self._group.in_slot:
            return CheckResult(Status.DEGRADED, "Another living worker has this WORKER_INSTANCE_ID.")
        return CheckResult(Status.OK)


def _move(reader: GroupReader, at: TopicPartition, offset: int) -> None:
    # What was given anew meanwhile begins where the handler says.
    if at not in reader.unplaced:
        reader.place(at, offset)


def _action(error: KafkaError) -> str:
    if isinstance(error, InstanceIdInUseError):
        return "give each worker a WORKER_INSTANCE_ID of its own; until its restart this one goes on without"
    if isinstance(error, KafkaConfigurationError):
        return "change what the error names; it is tried again until it works"
    return "none if Kafka comes back; else check KAFKA_BOOTSTRAP_SERVERS and the credentials"
