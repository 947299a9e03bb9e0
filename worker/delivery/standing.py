"""Delivery: does it move? A partition that stands still with work to do makes the process unready."""

from collections.abc import Callable

from kits.kafka.records import TopicPartition
from worker.delivery.loop import DeliveryLoop

STAND_STILL_SECONDS = 60.0


class StandStill:
    """Watches how far each partition has come, whenever it is asked."""

    def __init__(self, clock: Callable[[], float], *, after_seconds: float = STAND_STILL_SECONDS) -> None:
        self._clock = clock
        self._after_seconds = after_seconds
        self._seen: dict[TopicPartition, tuple[int, float]] = {}

    def standing(self, loop: DeliveryLoop) -> list[TopicPartition]:
        """The partitions that have unfinished records and have not come further for too long."""
        now = self._clock()
        found: list[TopicPartition] = []
        current: dict[TopicPartition, tuple[int, float]] = {}
        for partition, offsets in loop.tracker.partitions.items():
            before, since = self._seen.get(partition, (-1, now))
            moved = offsets.next_offset != before or not offsets.unfinished
            current[partition] = (offsets.next_offset, now if moved else since)
            if not moved and now - since >= self._after_seconds:
                found.append(partition)
        self._seen = current
        return found
