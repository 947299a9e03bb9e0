"""Kafka kit, receiving: a member of a consumer group that reads from where its owner says, and only there."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client

from kits.kafka import internals
from kits.kafka.broker_requests import list_offsets
from kits.kafka.client_values import in_client
from kits.kafka.connections import Connections
from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_client
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError, PartitionError
from kits.kafka.failures import translated
from kits.kafka.group_membership import GroupMembership
from kits.kafka.partition_reading import PartitionReading
from kits.kafka.places import Place, places_of
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.kafka.security import KafkaSecurity, client_options
from kits.observability.logs import get_logger

log = get_logger(__name__)

_SESSION_TIMEOUT_MS = 10_000
_STATIC_SESSION_TIMEOUT_MS = 45_000
_STEP_SECONDS = 2.0
_GROUP_OPTIONS: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    "heartbeat_interval_ms": 1_000,
    "rebalance_timeout_ms": 60_000,
    "request_timeout_ms": 10_000,
    "metadata_max_age_ms": 30_000,
}


class GroupReader:
    """Reads the partitions that its group gives it, each from where place() puts it. Commits nothing itself.

    A partition that was assigned is unplaced, also if it was ours before: it hands out nothing until it is
    placed. A rebalance waits for nobody: what was handed out before may be handed out elsewhere.
    What a partition holds is its own trouble: it stops, the others go on.
    An outage of the brokers shows as empty polls only. After KafkaUnavailableError out of poll() this object
    is of no further use: stop it and build another.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        group: str,
        topics: Collection[str],
        client_id: str,
        instance_id: str | None = None,
        max_poll_seconds: float = 300.0,
        compacted_topics: Collection[str] = (),
        hand_back_seconds: float = 0.0,
    ) -> None:
        """Args:
            instance_id: a static member id (KIP-345); one per slot, never two alive at once.
            max_poll_seconds: who does not poll for so long leaves the group until the next poll.
            compacted_topics: those that miss some offsets; in the others a gap is damage and stops.
            hand_back_seconds: how long a rebalance waits for hand_back(); keep it below 8 s.

        Raises: KafkaConfigurationError for impossible security settings; nothing is contacted yet.
        """
        self._options = client_options(security) | _GROUP_OPTIONS
        self._options |= {"bootstrap_servers": bootstrap_servers, "client_id": client_id, "group_id": group}
        session_ms = _STATIC_SESSION_TIMEOUT_MS if instance_id else _SESSION_TIMEOUT_MS
        self._options |= {"session_timeout_ms": session_ms, "group_instance_id": instance_id}
        self._options["max_poll_interval_ms"] = int(max_poll_seconds * 1000)
        self._instance_id = instance_id
        self._group = group
        self._topics = frozenset(topics)
        self._compacted_topics = frozenset(compacted_topics)
        self._hand_back_seconds = hand_back_seconds
        self._started: tuple[AIOKafkaConsumer, GroupMembership, PartitionReading] | None = None
        self._paused = False

    @property
    def rebalances(self) -> int:
        """How often the group has given partitions to this member."""
        return 0 if self._started is None else self._started[1].rebalances

    @property
    def is_handing_back(self) -> bool:
        """Whether the group wants the partitions back and waits: end the work, commit, then hand_back()."""
        return self._started is not None and self._started[1].is_handing_back

    @property
    def unplaced(self) -> frozenset[TopicPartition]:
        """Assigned partitions that wait for place(); none while the group gives them anew."""
        return frozenset() if self._started is None else self._reading.unplaced

    @property
    def stopped(self) -> Mapping[TopicPartition, PartitionError]:
        """Partitions that stand still, with the reason, until they are placed again.

        The same offset is tried again every 30 s; nothing is ever skipped.
        """
        return {} if self._started is None else self._reading.stopped

    async def start(self, within_seconds: float = 15.0) -> None:
        """Connect, check the topics and begin to join the group.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: nothing is left behind; it may be called again.
        """
        consumer = AIOKafkaConsumer(**self._options)
        try:
            async with asyncio.timeout(within_seconds):
                # Without a subscription start() does not wait for the group, which may take a minute.
                await internals.start_client(consumer)
                missing = self._topics - await consumer.topics()
        except (client.KafkaError, OSError, ValueError, TimeoutError) as error:
            await end_client(consumer, within_seconds=_STEP_SECONDS)
            raise await explained(error, "starting the consumer", self._options) from error
        except BaseException:
            await end_client(consumer, within_seconds=_STEP_SECONDS)
            raise
        if missing:
            await end_client(consumer, within_seconds=_STEP_SECONDS)
            names = ", ".join(sorted(missing))
            raise KafkaConfigurationError(f"no such topics, or no right to see them: {names}")
        membership = GroupMembership(consumer, self._instance_id, hand_back_seconds=self._hand_back_seconds)
        self._started = consumer, membership, PartitionReading(consumer, membership, self._compacted_topics)
        consumer.subscribe(topics=list(self._topics), listener=membership)

    async def stop(self, within_seconds: float) -> None:
        """Leave the group and end the client, at most some 5 s beyond the bound. Never raises."""
        started, self._started = self._started, None
        if started is not None:
            started[2].close()
            await end_client(started[0], within_seconds=within_seconds)

    async def places(
        self, partitions: Iterable[TopicPartition], within_seconds: float = 10.0
    ) -> dict[TopicPartition, Place]:
        """Where these partitions could be read from; what has no leader, or is not there, is left out.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: no answer in time, or no right.
        """
        connections = Connections(self._consumer)
        found = await places_of(connections, self._group, partitions, within_seconds=within_seconds)
        self._reading.know_topics({at.topic: place.topic_id for at, place in found.items()})
        return found

    async def offsets_at(
        self, partitions: Iterable[TopicPartition], when_ms: int, within_seconds: float = 10.0
    ) -> dict[TopicPartition, int | None]:
        """Per partition the first offset that was written at this time (ms) or later; None: nothing was.

        Raises: as places().
        """
        try:
            async with asyncio.timeout(within_seconds):
                found = await list_offsets(Connections(self._consumer), partitions, when_ms)
        except (client.KafkaError, OSError, TimeoutError) as error:
            raise translated(error, "looking for offsets by time") from error
        return {at: None if offset < 0 else offset for at, offset in found.items()}

    def hand_back(self) -> None:
        """The rebalance need not wait for this member any longer."""
        self._live[1].hand_back()

    def place(self, partition: TopicPartition, offset: int) -> None:
        """Hand out the record at `offset` next, or the first after it; nothing, if it is no longer ours."""
        self._reading.place(partition, offset)

    def hold(self, error: PartitionError, again_seconds: float) -> None:
        """Stop a partition where `error` says, for so long; nothing happens if it is no longer ours."""
        self._reading.hold(error, again_seconds)

    async def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]:
        """The next records of all partitions that are placed, at most so many of each, in their order.

        Waits at most `timeout_ms` (and some seconds where a partition has to be looked at). {} when there
        are none, in a rebalance and in an outage. May be cancelled at any time: what was fetched is returned
        by the next call.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: stop this reader and build another.
            InstanceIdInUseError: the same, without the instance id.
        """
        give_up_at = time.monotonic() + timeout_ms / 1000
        while True:
            self._reading.look()
            self._reading.check()
            found = {} if self._paused else await self._reading.take(max_records)
            remaining = give_up_at - time.monotonic()
            if found or remaining <= 0:
                return found
            await internals.wait_for_fetched(self._consumer, within_seconds=remaining)

    def pause(self) -> None:
        """Hand out nothing, also after a rebalance. Keep polling; some of the next records are fetched."""
        self._paused = True

    def resume(self) -> None:
        """The opposite of pause()."""
        self._paused = False

    async def commit(self, offsets: Mapping[TopicPartition, int], within_seconds: float) -> bool:
        """Commit, per partition, the offset to be read next; False when that is not certain. Never raises.

        Of partitions that are not ours any more nothing is committed; a later, higher commit repairs it.
        """
        if self._started is None:
            return False
        consumer = self._consumer
        held = internals.held_assignment if self.is_handing_back else internals.assignment_of
        assignment = held(consumer)
        # Who was thrown out would commit without a generation, which an empty group accepts.
        if assignment is None or not internals.is_member(consumer):
            return False
        ours = {in_client(at): offset for at, offset in offsets.items() if in_client(at) in assignment.tps}
        if not ours:
            return not offsets
        commit = asyncio.create_task(consumer.commit(ours))
        try:
            await asyncio.wait([commit], timeout=within_seconds)
        finally:
            # A commit that hangs would be tried again after a rebalance, under the generation of then.
            answered = not commit.cancel()
        error = commit.exception() if answered else TimeoutError()
        if error is not None:
            log.info("kafka_offsets_not_committed", error=repr(error))
        return error is None and len(ours) == len(offsets)

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        return self._live[0]

    @property
    def _reading(self) -> PartitionReading:
        return self._live[2]

    @property
    def _live(self) -> tuple[AIOKafkaConsumer, GroupMembership, PartitionReading]:
        if self._started is None:
            raise KafkaUnavailableError("the reader is not started, or stopped")
        return self._started
