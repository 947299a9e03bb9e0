"""Delivery: commits offsets when they have moved, at most ten times a second."""

import asyncio

from kits.kafka.errors import KafkaUnavailableError, StaleAssignmentError
from worker.delivery.offsets import OffsetTracker
from worker.delivery.ports import Observer, Source

_INTERVAL_SECONDS = 0.1
_RETRY_SECONDS = 1.0
_BOUND_SECONDS = 5.0


class Commits:
    """A commit that fails is repaired by the next one; one of an ended epoch is nobody's loss."""

    def __init__(self, *, source: Source, tracker: OffsetTracker, observer: Observer) -> None:
        self._source = source
        self._tracker = tracker
        self._observer = observer
        self._moved = asyncio.Event()
        self._epoch = 0

    def nudge(self, epoch: int) -> None:
        """Offsets of this epoch, the current one, may have moved."""
        self._epoch = epoch
        self._moved.set()

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            if await self.now(self._epoch, within_seconds=_BOUND_SECONDS):
                await asyncio.sleep(_INTERVAL_SECONDS)
            else:
                await asyncio.sleep(_RETRY_SECONDS)
                self._moved.set()

    async def now(self, epoch: int, *, within_seconds: float) -> bool:
        """Commit what has moved; False if the broker did not answer."""
        offsets = self._tracker.to_commit()
        if not offsets:
            return True
        try:
            await self._source.commit(offsets, epoch=epoch, within_seconds=within_seconds)
        except StaleAssignmentError:
            return True
        except KafkaUnavailableError as error:
            self._observer.commit_failed(error)
            return False
        self._tracker.committed(offsets)
        return True
