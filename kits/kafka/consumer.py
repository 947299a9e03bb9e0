"""Kafka kit, receiving: a member of a consumer group whose offsets are committed by hand, epoch by epoch."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client

from kits.kafka.assignment import AssignmentListener, AssignmentWatch
from kits.kafka.client_values import in_client
from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_client
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError, StaleAssignmentError
from kits.kafka.group_offsets import GroupOffsets
from kits.kafka.internals import fetcher_failed, is_member, position_of
from kits.kafka.polling import Polling
from kits.kafka.probe import BrokerProbe
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.kafka.security import KafkaSecurity, client_options
from kits.observability.logs import get_logger

__all__ = ["AssignmentListener", "GroupConsumer"]

log = get_logger(__name__)

_SESSION_TIMEOUT_MS = 10_000
_STATIC_SESSION_TIMEOUT_MS = 45_000
_GROUP_OPTIONS: dict[str, Any] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    "heartbeat_interval_ms": 1_000,
    "rebalance_timeout_ms": 60_000,
    "request_timeout_ms": 10_000,
    "metadata_max_age_ms": 30_000,
}


@dataclass(frozen=True, slots=True)
class _Live:
    client: AIOKafkaConsumer
    polling: Polling
    offsets: GroupOffsets


class GroupConsumer:
    """Reads the partitions that its group gives it. No offset is ever committed, reset or skipped by itself.

    An assignment has an epoch. Offsets are committed under the epoch in which the work began, so work that
    was overtaken by a rebalance cannot move the offsets of the next owner.
    An outage of the brokers shows as empty polls only: ask broker_answers(). After KafkaUnavailableError
    out of poll() this object is of no further use: stop it and build another.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        group: str,
        topics: Collection[str],
        client_id: str,
        listener: AssignmentListener,
        instance_id: str | None = None,
        max_poll_seconds: float = 300.0,
    ) -> None:
        """Args:
            instance_id: a static member id (KIP-345); one per slot, never two alive at once.
            max_poll_seconds: who does not poll for so long leaves the group until the next poll.

        Raises: KafkaConfigurationError for impossible security settings; nothing is contacted yet.
        """
        self._options = client_options(security) | _GROUP_OPTIONS
        self._options |= {"bootstrap_servers": bootstrap_servers, "client_id": client_id, "group_id": group}
        self._options["session_timeout_ms"] = (
            _STATIC_SESSION_TIMEOUT_MS if instance_id else _SESSION_TIMEOUT_MS
        )
        self._options["group_instance_id"] = instance_id
        self._options["max_poll_interval_ms"] = int(max_poll_seconds * 1000)
        self._topics = frozenset(topics)
        self._watch = AssignmentWatch(
            listener,
            self._pause_in_client,
            is_member=lambda: self._started is not None and is_member(self._started.client),
            instance_id=instance_id,
        )
        self._started: _Live | None = None
        self._probe = BrokerProbe(self._ask_a_broker)

    @property
    def epoch(self) -> int:
        """0 before the first assignment; each assignment adds 1."""
        return self._watch.epoch

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions of this epoch; none between two epochs."""
        return self._watch.partitions

    async def start(self, *, within_seconds: float = 15.0) -> None:
        """Connect, check the topics and begin to join the group; on_assigned tells when that is done.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError: nothing is left behind; it may be called again.
        """
        consumer = AIOKafkaConsumer(**self._options)
        try:
            async with asyncio.timeout(within_seconds):
                # Without a subscription start() does not wait for the group, which may take a minute.
                await consumer.start()
                missing = self._topics - await consumer.topics()
        except (client.KafkaError, OSError, ValueError, TimeoutError) as error:
            await end_client(consumer, within_seconds=2.0)
            raise await explained(error, "starting the consumer", self._options) from error
        except BaseException:
            await end_client(consumer, within_seconds=2.0)
            raise
        if missing:
            await end_client(consumer, within_seconds=2.0)
            names = ", ".join(sorted(missing))
            raise KafkaConfigurationError(f"no such topics, or no right to see them: {names}")
        self._started = _Live(consumer, Polling(consumer, self._watch), GroupOffsets(consumer, self._watch))
        consumer.subscribe(topics=list(self._topics), listener=self._watch)

    async def poll(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[IncomingRecord]]:
        """The next records of all partitions that are not paused, in order per partition.

        Waits at most `timeout_ms` (and a tenth of a second). {} when there are none, in a rebalance and in an
        outage. May be cancelled at any time: what was fetched is returned by the next call.

        Raises:
            OffsetMissingError, OffsetOutOfRangeError: one partition stands still until it is sought; poll on.
            KafkaUnavailableError, KafkaConfigurationError: stop this consumer and build another.
            InstanceIdInUseError: the same, without the instance id.
            Exception: whatever the listener raised since the last call.
        """
        live = self._live
        self._watch.raise_failure()
        if fetcher_failed(live.client):
            raise KafkaUnavailableError("the client's fetch task has died: build a new consumer")
        return await live.polling.poll(timeout_ms=timeout_ms, max_records=max_records)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Hand out nothing of these, also after a rebalance that leaves them here. Keep polling."""
        chosen = frozenset(partitions) & self._watch.partitions
        self._watch.paused |= chosen
        self._pause_in_client(chosen)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """The opposite of pause()."""
        chosen = frozenset(partitions) & self._watch.paused
        self._watch.paused -= chosen
        assigned = self._live.client.assignment()
        self._live.client.resume(*(tp for tp in map(in_client, chosen) if tp in assigned))

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset(self._watch.paused)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """The next record handed out of this partition is the one at `offset`, or the first after it.

        Raises:
            StaleAssignmentError: the partition is not ours.
        """
        live = self._live
        try:
            live.client.seek(in_client(partition), offset)
        except client.IllegalStateError as error:
            raise StaleAssignmentError(f"{partition} is not assigned") from error
        live.polling.forget(partition)

    def position(self, partition: TopicPartition) -> int | None:
        """The offset to be read next, None while it is not known."""
        return None if self._started is None else position_of(self._started.client, partition)

    def lag(self) -> dict[TopicPartition, int]:
        """Records not yet read, per partition, as of its last fetch; a paused one is not fetched."""
        found: dict[TopicPartition, int] = {}
        for partition in self._watch.partitions:
            end = self._live.client.highwater(in_client(partition))
            position = self.position(partition)
            if end is not None and position is not None:
                found[partition] = max(0, end - position)
        return found

    async def commit(
        self, offsets: Mapping[TopicPartition, int], *, epoch: int, within_seconds: float
    ) -> None:
        """Commit, per partition, the offset to be read next, under the epoch in which the work began.

        Raises:
            StaleAssignmentError: the epoch has ended, or the group refused: the records come again elsewhere.
            KafkaUnavailableError: no answer in time, so it is unknown; a later, higher commit repairs it.
            KafkaConfigurationError: no right to the group.
        """
        if offsets:
            await self._live.offsets.commit(offsets, epoch=epoch, within_seconds=within_seconds)

    async def committed(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float = 10.0
    ) -> dict[TopicPartition, int | None]:
        """The group's committed offsets (to be read next), None where there is none.

        Raises:
            KafkaUnavailableError, KafkaConfigurationError
        """
        return await self._live.offsets.committed(partitions, within_seconds=within_seconds)

    async def log_start(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float = 10.0
    ) -> dict[TopicPartition, int]:
        """The first offsets that are still in the logs. Raises as committed()."""
        return await self._live.offsets.log_start(partitions, within_seconds=within_seconds)

    async def log_end(
        self, partitions: Iterable[TopicPartition], *, within_seconds: float = 10.0
    ) -> dict[TopicPartition, int]:
        """The offsets that the next records will get. Raises as committed()."""
        return await self._live.offsets.log_end(partitions, within_seconds=within_seconds)

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Ask a broker for metadata: the only way to tell an outage from a quiet topic."""
        return self._started is not None and await self._probe.answers(within_seconds)

    async def stop(self, *, within_seconds: float) -> None:
        """Leave the group and end the client, at most some 5 s beyond the bound. Never raises.

        on_revoked is not called: drain and commit before.
        """
        live, self._started = self._started, None
        self._watch.close()
        await self._probe.close()
        if live is not None:
            await end_client(live.client, within_seconds=within_seconds)
            await live.polling.close()

    @property
    def _live(self) -> "_Live":
        if self._started is None:
            raise KafkaUnavailableError("the consumer is not started, or stopped")
        return self._started

    def _pause_in_client(self, partitions: frozenset[TopicPartition]) -> None:
        consumer = self._live.client
        assigned = consumer.assignment()
        consumer.pause(*(tp for tp in map(in_client, partitions) if tp in assigned))

    async def _ask_a_broker(self) -> None:
        await self._live.client.topics()
