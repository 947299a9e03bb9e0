"""Kafka kit, receiving: hands out what was fetched of each partition, and sees to the odd ones one by one."""

import asyncio
import time
from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client

from kits.kafka import internals
from kits.kafka.client_values import from_client, in_client, incoming
from kits.kafka.connections import Connections
from kits.kafka.errors import (
    KafkaUnavailableError,
    OffsetOutOfRangeError,
    PartitionError,
    RecordsUnreadableError,
)
from kits.kafka.failures import translated
from kits.kafka.group_membership import GroupMembership
from kits.kafka.log_reading import LogPiece, read_log
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.kafka.topic_watch import TopicWatch
from kits.observability.logs import get_logger

log = get_logger(__name__)

Batches = dict[TopicPartition, list[IncomingRecord]]

_LOOK_SECONDS = 1.0
_SILENT_SECONDS = 2.0
_AGAIN_SECONDS = 30.0
_STEP_SECONDS = 2.0


class PartitionReading:
    """The positions of one member. All are forgotten as soon as the group gives the partitions anew."""

    def __init__(
        self, consumer: AIOKafkaConsumer, membership: GroupMembership, compacted_topics: Collection[str]
    ) -> None:
        self._consumer = consumer
        self._connections = Connections(consumer)
        self._membership = membership
        self._compacted_topics = compacted_topics
        self._assignment: Any = None
        self._next: dict[TopicPartition, int] = {}
        # Read record by record, no sooner than at that time: what the client could not unpack.
        self._odd: dict[TopicPartition, float] = {}
        self._stopped: dict[TopicPartition, PartitionError] = {}
        self._topics = TopicWatch(self._connections)
        self._look_at = 0.0
        self._seen: dict[TopicPartition, int] = {}

    @property
    def unplaced(self) -> frozenset[TopicPartition]:
        """What the group gives this member now, and has no position; none while it gives anew."""
        self._follow()
        return self._partitions() - self._next.keys()

    @property
    def stopped(self) -> dict[TopicPartition, PartitionError]:
        """Those that stand still, and why."""
        self._follow()
        return dict(self._stopped)

    def check(self) -> None:
        """Count as a poll. Raises what ends this member, as GroupReader.poll() says."""
        internals.note_poll(self._consumer)
        self._membership.raise_failure()
        if internals.fetcher_failed(self._consumer):
            raise KafkaUnavailableError("the client's fetch task has died: build a new reader")
        try:
            internals.raise_coordination_error(self._consumer)
        except client.KafkaError as error:
            raise translated(error, "consuming (build a new reader)") from error

    def place(self, at: TopicPartition, offset: int) -> None:
        """Hand out from `offset` on; nothing happens if the partition is not ours any more."""
        self._follow()
        if at in self._partitions():
            self._stopped.pop(at, None)
            self._odd.pop(at, None)
            self._go_on(at, offset)

    def hold(self, error: PartitionError, again_seconds: float) -> None:
        """Go on at the error's offset, no sooner than after so many seconds."""
        self._follow()
        if (at := error.topic_partition) in self._next:
            self._next[at] = error.offset
            self._rest(at, error, again_seconds)

    def know_topics(self, ids: dict[str, UUID]) -> None:
        """Positions are those of the topics with these ids; look() takes them back from any other."""
        self._topics.know(ids)

    async def take(self, max_records: int) -> Batches:
        """What is there, so many of each partition; nothing is lost when cancelled."""
        return (
            await self._take_odd(max_records)
            or await self._take_fetched(max_records)
            # What the client could not unpack just now.
            or await self._take_odd(max_records)
        )

    async def _take_odd(self, max_records: int) -> Batches:
        """One partition at a time, in turn with the others."""
        self._follow()
        for at, due in self._odd.items():
            if due <= time.monotonic():
                records = await self._read_alone(at, max_records)
                return {at: records} if records else {}
        return {}

    async def _take_fetched(self, max_records: int) -> Batches:
        self._follow()
        found: Batches = {}
        for at in self._fetched():
            try:
                records = await internals.take_fetched(self._consumer, in_client(at), max_records)
            except client.TopicAuthorizationFailedError as error:
                raise translated(error, "consuming (build a new reader)") from error
            except Exception as error:  # noqa: BLE001 - whatever a record does is its partition's trouble
                self._complain(at, error)
                continue
            end = internals.position_of(self._consumer, at)
            if end != self._next[at] + len(records):
                # There is a gap: a transaction's marker, compaction, or damage. It is read with care.
                self._complain(at, None)
            elif records:
                self._next[at] = end
                found[at] = [incoming(record) for record in records]
        return found

    def look(self) -> None:
        """Does every partition get on (asked once a second), and is each topic still the same?"""
        for topic, topic_id in self._topics.made_anew().items():
            self._follow()
            self._begin_anew(topic, topic_id)
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            self._follow()
            self._find_silent()

    def close(self) -> None:
        """Ask nothing any more."""
        self._topics.close()

    def _begin_anew(self, topic: str, topic_id: UUID) -> None:
        action = "none: its partitions are placed anew"
        log.warning("kafka_topic_made_anew", topic=topic, topic_id=str(topic_id), action=action)
        for at in [at for at in self._next if at.topic == topic]:
            del self._next[at]
            self._stopped.pop(at, None)
            self._odd.pop(at, None)
            self._hold(at, 0)
        # While it was away the group shared out nothing of it, and would look again in 30 s only.
        self._connections.look_again()

    def _find_silent(self) -> None:
        """An answer that the client does not know is only logged, an empty one not even that."""
        fetched = map(from_client, internals.fetched_partitions(self._consumer))
        for at in self._next.keys() - self._stopped.keys() - self._odd.keys() - set(fetched):
            inside, stands = in_client(at), self._next[at] == self._seen.get(at)
            stuck = stands and (self._consumer.last_stable_offset(inside) or 0) > self._next[at]
            if stuck or internals.silent_seconds(self._consumer, inside) > _SILENT_SECONDS:
                self._odd[at] = time.monotonic()
        self._seen = dict(self._next)

    def _follow(self) -> None:
        assignment = internals.assignment_of(self._consumer)
        if assignment is self._assignment:
            return
        self._assignment = assignment
        self._next, self._odd, self._stopped = {}, {}, {}
        for at in self._partitions():
            self._hold(at, 0)

    def _partitions(self) -> frozenset[TopicPartition]:
        return frozenset(map(from_client, self._assignment.tps if self._assignment is not None else ()))

    def _fetched(self) -> Iterator[TopicPartition]:
        for inside in internals.fetched_partitions(self._consumer):
            at = from_client(inside)
            if at in self._next and at not in self._stopped and at not in self._odd:
                yield at

    def _complain(self, at: TopicPartition, error: Exception | None) -> None:
        """The client's complaint costs the others nothing: this partition is held where it is."""
        if isinstance(error, client.OffsetOutOfRangeError):
            self._stop(at, OffsetOutOfRangeError(at, self._next[at]))
            return
        self._odd[at] = time.monotonic()
        self._hold(at, self._next[at])

    async def _read_alone(self, at: TopicPartition, max_records: int) -> list[IncomingRecord]:
        assignment, offset = self._assignment, self._next[at]
        piece: LogPiece | PartitionError | None = None
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                piece = await read_log(
                    self._connections,
                    at,
                    offset,
                    max_records=max_records,
                    may_have_gaps=at.topic in self._compacted_topics,
                )
        except PartitionError as error:
            piece = error
        except (client.KafkaError, OSError, TimeoutError):
            # An outage, or a leader that moves.
            self._odd[at] = time.monotonic() + _STEP_SECONDS
        except Exception as error:  # noqa: BLE001 - as above: it is stopped, and logged
            piece = RecordsUnreadableError(at, offset, repr(error))
        self._follow()
        if piece is None or assignment is not self._assignment or self._next.get(at) != offset:
            return []
        if isinstance(piece, PartitionError):
            self._stop(at, piece)
            return []
        self._odd.pop(at, None)
        self._stopped.pop(at, None)
        self._go_on(at, piece.next_offset)
        return piece.records

    def _stop(self, at: TopicPartition, error: PartitionError) -> None:
        if at not in self._stopped:
            log.error(
                "kafka_partition_stopped", topic=at.topic, partition=at.partition, offset=self._next[at],
                code=error.code, error=str(error),
                action="look at what is there; the others go on, and nothing is skipped before it is sought",
            )  # fmt: skip
        self._rest(at, error, _AGAIN_SECONDS)

    def _rest(self, at: TopicPartition, error: PartitionError, again_seconds: float) -> None:
        self._stopped[at] = error
        self._odd[at] = time.monotonic() + again_seconds
        self._hold(at, self._next[at])

    def _hold(self, at: TopicPartition, offset: int) -> None:
        self._consumer.pause(in_client(at))
        self._consumer.seek(in_client(at), offset)

    def _go_on(self, at: TopicPartition, offset: int) -> None:
        self._next[at] = offset
        self._consumer.seek(in_client(at), offset)
        self._consumer.resume(in_client(at))
        internals.note_fetch(self._consumer, in_client(at))
