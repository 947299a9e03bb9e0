"""Kafka kit, sending: which queue a record belongs to; topics not known yet have a lobby."""

from collections.abc import Callable, Iterator, Sequence
from random import choice

from kits.kafka.errors import KafkaConfigurationError, KafkaError
from kits.kafka.murmur2 import murmur2
from kits.kafka.records import OutgoingRecord, TopicPartition
from kits.kafka.send_queue import Pending, SendQueue


def partition_for(key: bytes, partitions: Sequence[int]) -> int:
    """The partition of a key, as the Java client chooses it (murmur2). `partitions` must be sorted."""
    return partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)]


def no_such_partition() -> KafkaError:
    """The end of a record that names a partition which its topic has not."""
    return KafkaConfigurationError("the topic has no such partition: name none, or add partitions")


class TopicRoutes:
    """The queues of all partitions, and one lobby per topic whose partitions are not known.

    Order per key holds through the lobby: it is emptied into the queues before anything newer gets there.
    """

    def __init__(self, on_new_queue: Callable[[TopicPartition, SendQueue], None]) -> None:
        self._on_new_queue = on_new_queue
        self._partitions: dict[str, list[int]] = {}
        self._lobbies: dict[str, SendQueue] = {}
        self._queues: dict[TopicPartition, SendQueue] = {}
        self._sticky: dict[str, int] = {}

    @property
    def topics(self) -> set[str]:
        """Every topic that anybody ever asked for."""
        return {*self._partitions, *self._lobbies}

    @property
    def unknown_topics(self) -> set[str]:
        """Topics whose partitions are not known yet."""
        return set(self._lobbies)

    def everywhere(self) -> Iterator[SendQueue]:
        """All queues and lobbies."""
        yield from self._queues.values()
        yield from self._lobbies.values()

    def expect(self, topic: str) -> None:
        """Make a topic one whose partitions are to be found out, unless they are known."""
        if topic not in self._partitions and topic not in self._lobbies:
            self._lobbies[topic] = SendQueue()

    def check(self, record: OutgoingRecord) -> None:
        """Raises: KafkaConfigurationError: the topic is known to have no such partition."""
        known = self._partitions.get(record.topic)
        if known is not None and record.partition is not None and record.partition not in known:
            raise no_such_partition()

    def add(self, pending: Pending) -> None:
        """Put a new record behind all older ones of its key."""
        topic = pending.record.topic
        if topic in self._partitions:
            self._queue_of(pending).append(pending)
        else:
            self.expect(topic)
            self._lobbies[topic].append(pending)

    def settle(self, topic: str, partitions: Sequence[int]) -> list[Pending]:
        """The topic's partitions are these: its lobby moves into the queues. Returns what has no place."""
        self._partitions[topic] = sorted(partitions)
        lobby = self._lobbies.pop(topic, None)
        homeless: list[Pending] = []
        for pending in lobby.drain() if lobby else []:
            if pending.record.partition in {None, *partitions}:
                self._queue_of(pending).append(pending)
            else:
                homeless.append(pending)
        return homeless

    def unsettle(self, topic: str) -> None:
        """The topic's partitions are not known any more: what waits goes back to the lobby."""
        self._partitions.pop(topic, None)
        self.expect(topic)
        for at, queue in self._queues.items():
            if at.topic == topic:
                self._lobbies[topic].put_back(queue.drain())

    def forget(self, topic: str) -> list[Pending]:
        """Give up on a topic that cannot be found: returns what waited for it. The next record asks anew."""
        lobby = self._lobbies.pop(topic, None)
        return lobby.drain() if lobby else []

    def clear(self, topic: str) -> list[Pending]:
        """Remove all that waits for a topic, wherever it waits."""
        found = [p for at, queue in self._queues.items() if at.topic == topic for p in queue.drain()]
        lobby = self._lobbies.get(topic)
        return found + (lobby.drain() if lobby else [])

    def _without_key(self, topic: str) -> int:
        """The same partition until its batch is taken, then another one (KIP-480): full batches cost less."""
        chosen = self._sticky.get(topic, -1)
        if not self._queues.get(TopicPartition(topic, chosen)):
            chosen = self._sticky[topic] = choice(self._partitions[topic])  # noqa: S311 - spreads load
        return chosen

    def _queue_of(self, pending: Pending) -> SendQueue:
        topic, chosen = pending.record.topic, pending.record.partition
        if chosen is None:
            key = pending.record.key
            chosen = self._without_key(topic) if key is None else partition_for(key, self._partitions[topic])
        at = TopicPartition(topic, chosen)
        queue = self._queues.get(at)
        if queue is None:
            queue = self._queues[at] = SendQueue()
            self._on_new_queue(at, queue)
        return queue
