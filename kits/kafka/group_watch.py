"""Kafka kit, administration: where a group stands, seen from outside, whether or not a member lives."""

import asyncio
import time
from collections.abc import Collection
from typing import NamedTuple

from aiokafka import errors as client

from kits.kafka.admin import admin_connection
from kits.kafka.broker_requests import (
    COMMITTED,
    EARLIEST,
    LATEST,
    UNCOMMITTED,
    committed_of,
    list_offsets,
    members_of,
    partitions_of,
)
from kits.kafka.connections import Connections
from kits.kafka.errors import KafkaError, PartitionError
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_standing import GroupStanding, PartitionStanding
from kits.kafka.log_reading import read_log
from kits.kafka.records import TopicPartition
from kits.kafka.security import KafkaSecurity, asking_options
from kits.observability.logs import get_logger

log = get_logger(__name__)

_PIECES = 50
_HANGING_SECONDS = 30.0


class _Log(NamedTuple):
    start: int
    stable: int
    end: int


class _Unread(NamedTuple):
    offset: int
    written: float | None = None


class GroupWatch:
    """Measures a group again and again, each time over a connection of its own and within `within_seconds`.

    It asks for what is committed and what stands in the logs, so it is right for partitions that are paused,
    stopped or assigned to nobody, and when no process of the group lives.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        client_id: str,
        group: str,
        topics: Collection[str],
        within_seconds: float = 5.0,
    ) -> None:
        """Raises: KafkaConfigurationError for impossible security settings; nothing is contacted yet."""
        self._options = asking_options(bootstrap_servers, security, client_id, within_seconds)
        self._group = group
        self._topics = frozenset(topics)
        self._within_seconds = within_seconds
        self._standing: dict[tuple[str, TopicPartition], tuple[int, float]] = {}
        self._failed = ""
        self.latest: GroupStanding | None = None

    async def run(self, metrics: GroupMetrics, *, every_seconds: float = 10.0) -> None:
        """Look again and again, until cancelled; then nothing is shown any more."""
        try:
            while True:
                await self.look(metrics)
                await asyncio.sleep(every_seconds)
        finally:
            self.forget(metrics)

    async def look(self, metrics: GroupMetrics) -> None:
        """Measure once for `latest` and the metrics; both are empty if nothing could be learned."""
        found = None
        try:
            found = await self.measure()
            self._failed = ""
        except KafkaError as error:
            if error.code != self._failed:
                action = "look at the brokers and at this user's rights; it is measured again"
                log.warning("kafka_group_not_measured", group=self._group, code=error.code,
                            error=str(error), action=action)  # fmt: skip
            self._failed = error.code
        finally:
            self.latest = found
            metrics.show(self._group, found)

    def forget(self, metrics: GroupMetrics) -> None:
        """Somebody else measures: show nothing."""
        self.latest = None
        metrics.show(self._group, None)

    async def measure(self) -> GroupStanding:
        """Where the group stands now. A topic that is not there has no partitions.

        Raises:
            KafkaUnavailableError: no broker answered in time.
            KafkaConfigurationError: this user may not see the group or a topic.
        """
        doing = f"measuring group {self._group}"
        async with admin_connection(self._options, doing, within_seconds=self._within_seconds) as admin:
            connections = Connections(admin)
            partitions = await partitions_of(connections, self._topics)
            members = await members_of(connections, self._group)
            committed = await committed_of(connections, self._group)
            starts = await list_offsets(connections, partitions, EARLIEST)
            stable = await list_offsets(connections, partitions, LATEST, COMMITTED)
            ends = await list_offsets(connections, partitions, LATEST, UNCOMMITTED)
            known = {
                at: _Log(starts[at], stable[at], ends[at])
                for at in starts.keys() & stable.keys() & ends.keys()
            }
            standings = await asyncio.gather(
                *(self._measured(connections, at, committed.get(at), known[at]) for at in sorted(known))
            )
        found = tuple([each for each in standings if each is not None])
        missing = frozenset(partitions) - {each.partition for each in found}
        return GroupStanding(self._group, time.time(), members, found, missing)

    async def _measured(
        self, connections: Connections, at: TopicPartition, committed: int | None, log_now: _Log
    ) -> PartitionStanding | None:
        start, stable, end = log_now
        first = committed if committed is not None and start <= committed <= end else start
        try:
            unread = await _first_unread(connections, at, first, log_now)
        except (PartitionError, client.TopicAuthorizationFailedError):
            # What it is cannot be read, that it is there is known.
            unread = _Unread(first)
        except (client.KafkaError, OSError) as error:
            log.debug("kafka_partition_not_measured", partition=str(at), error=repr(error))
            return None
        open_since = self._since("open", at, stable if stable < end else None)
        seen_since = self._since("unread", at, unread.offset if unread is not None else None)
        held_seconds = max(0.0, time.time() - open_since) if open_since is not None else 0.0
        if held_seconds >= _HANGING_SECONDS:
            action = "find its writer; kafka-transactions.sh find-hanging, then abort: nobody reads beyond it"
            log.warning("kafka_transaction_hangs", topic=at.topic, partition=at.partition, offset=stable,
                        log_end=end, seconds=round(held_seconds), action=action)  # fmt: skip
        if unread is None:
            return PartitionStanding(at, committed, start, end, stable, 0, None, held_seconds)
        since = seen_since if unread.written is None else unread.written
        return PartitionStanding(at, committed, start, end, stable, end - unread.offset, since, held_seconds)

    def _since(self, what: str, at: TopicPartition, offset: int | None) -> float | None:
        """Since when it stands at this offset, as far as this watch has seen."""
        if offset is None:
            self._standing.pop((what, at), None)
            return None
        found = self._standing.get((what, at))
        if found is None or found[0] != offset:
            found = self._standing[what, at] = offset, time.time()
        return found[1]


async def _first_unread(
    connections: Connections, at: TopicPartition, first: int, log_now: _Log
) -> _Unread | None:
    """The first record from `first` on; what is left may be markers only."""
    for _ in range(_PIECES):
        if first >= log_now.end:
            return None
        # Behind the last stable offset there is an open transaction, and what it has written waits too.
        isolation = COMMITTED if first < log_now.stable else UNCOMMITTED
        piece = await read_log(
            connections, at, first, max_records=1, may_have_gaps=True, isolation=isolation, max_bytes=1
        )
        if piece.records:
            return _Unread(piece.records[0].offset, piece.records[0].timestamp_ms / 1000)
        if piece.next_offset == first:
            break
        first = piece.next_offset
    return _Unread(first)
