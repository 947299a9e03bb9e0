"""Kafka kit, receiving: how the group treats a member: what it gave, and whether somebody has its name."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as ClientPartition

from kits.kafka.errors import InstanceIdInUseError
from kits.kafka.internals import is_member
from kits.observability.logs import get_logger
from kits.process.waiting import wait_for

log = get_logger(__name__)

_EVICTIONS = 3
_WITHIN_SECONDS = 60.0


class GroupMembership(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Hears of every rebalance, and steps back for good from a fight for one instance id."""

    def __init__(
        self, consumer: AIOKafkaConsumer, instance_id: str | None, *, hand_back_seconds: float = 0.0
    ) -> None:
        self._consumer = consumer
        self._instance_id = instance_id
        self._evictions: deque[float] = deque(maxlen=_EVICTIONS)
        self._was_assigned = False
        self._failure: InstanceIdInUseError | None = None
        self._hand_back_seconds = hand_back_seconds
        self._handed_back = asyncio.Event()
        self.is_handing_back = False
        self.rebalances = 0

    def hand_back(self) -> None:
        """The group need not wait for this member any longer."""
        self._handed_back.set()

    async def on_partitions_revoked(self, _revoked: Iterable[ClientPartition]) -> None:
        """Called by the client before it joins the group again, the very first time with nothing."""
        if not self._was_assigned:
            return
        if is_member(self._consumer):
            await self._wait_for_work()
        elif self._instance_id is not None:
            self._note_eviction()

    async def _wait_for_work(self) -> None:
        """The client goes on with its heartbeats meanwhile, and takes commits."""
        self._handed_back.clear()
        self.is_handing_back = self._hand_back_seconds > 0
        if self.is_handing_back:
            await wait_for(self._handed_back, self._hand_back_seconds)
        self.is_handing_back = False

    def _note_eviction(self) -> None:
        # Once is a restart that overlapped, or a long pause; three times a minute is another living member.
        self._evictions.append(time.monotonic())
        if len(self._evictions) == _EVICTIONS and self._evictions[-1] - self._evictions[0] <= _WITHIN_SECONDS:
            self._failure = InstanceIdInUseError(
                f"another living member of the group has the instance id {self._instance_id!r},"
                " and each throws the other out: give every process an id of its own"
            )
            # Ends the client's own task: joining again would throw the other one out once more.
            raise asyncio.CancelledError

    async def on_partitions_assigned(self, assigned: Iterable[ClientPartition]) -> None:
        """Called by the client after it has joined."""
        self._was_assigned = True
        self.rebalances += 1
        partitions = [f"{tp.topic}-{tp.partition}" for tp in sorted(assigned)]
        log.info("kafka_partitions_assigned", rebalances=self.rebalances, partitions=partitions)

    def raise_failure(self) -> None:
        """Raises: InstanceIdInUseError, for ever once this member has stepped back."""
        if self._failure is not None:
            raise self._failure
