"""Kafka kit, receiving: which partitions are ours, in which epoch, and what was paused."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from aiokafka import ConsumerRebalanceListener
from aiokafka import TopicPartition as ClientPartition

from kits.kafka.errors import InstanceIdInUseError
from kits.kafka.evictions import Evictions
from kits.kafka.records import TopicPartition
from kits.observability.logs import get_logger

log = get_logger(__name__)

Partitions = frozenset[TopicPartition]


class AssignmentListener(Protocol):
    """Told of every change of assignment, before the group goes on; what it raises comes out of poll()."""

    async def on_assigned(self, epoch: int, partitions: Partitions) -> None:
        """New partitions, no record of them was handed out yet: the place to read offsets, seek and pause.

        No heartbeat is sent meanwhile: be done well within the session timeout (10 s).
        """
        ...

    async def on_revoked(self, partitions: Partitions) -> None:
        """All partitions are taken away: drain, then commit under the epoch that ends with this call.

        The group waits for it; stay well within the rebalance timeout (60 s). Not called by stop().
        """
        ...


class AssignmentWatch(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Keeps epoch and pauses. The client revokes everything at every rebalance (eager protocol)."""

    def __init__(
        self,
        listener: AssignmentListener,
        set_paused: Callable[[Partitions], None],
        *,
        is_member: Callable[[], bool] = lambda: True,
        instance_id: str | None = None,
    ) -> None:
        self._listener = listener
        self._set_paused = set_paused
        self._is_member = is_member
        self._instance_id = instance_id
        self._evictions = Evictions(time.monotonic)
        self._changing = False
        self._closed = False
        self.epoch = 0
        self.partitions: Partitions = frozenset()
        self.paused: set[TopicPartition] = set()
        self.failure: Exception | None = None
        self.delivering = asyncio.Event()
        self.ended = asyncio.Event()
        self.ended.set()

    @property
    def fetching_epoch(self) -> int:
        """The epoch of records that leave the client now: the new one, before its listener heard of it."""
        return self.epoch + 1 if self._changing else self.epoch

    def is_current(self, epoch: int) -> bool:
        """Whether offsets of this epoch may still be committed: up to the end of on_revoked."""
        return epoch == self.epoch and not self.ended.is_set()

    async def on_partitions_revoked(self, revoked: Iterable[ClientPartition]) -> None:
        """Called by the client before it joins the group again, the very first time with nothing."""
        self._changing = True
        self.delivering.clear()
        # Asked now: the listener takes its time, and the group may throw us out only then.
        thrown_out = not self._is_member()
        partitions = frozenset[TopicPartition]() if self._closed else _ours(revoked)
        try:
            if partitions:
                await self._listener.on_revoked(partitions)
        except Exception as error:  # noqa: BLE001 - handed on by poll()
            # The rebalance must go on whatever the listener says; poll() hands its failure to the caller.
            self._failed("on_revoked", error)
        finally:
            self.ended.set()
            self.partitions = frozenset()
        if thrown_out and self.epoch and self._instance_id is not None and self._evictions.note():
            self._step_back(self._instance_id)

    async def on_partitions_assigned(self, assigned: Iterable[ClientPartition]) -> None:
        """Called by the client after it has joined; records may have been fetched by now."""
        if self._closed:
            return
        self._changing = False
        self.epoch += 1
        self.partitions = _ours(assigned)
        self.ended = asyncio.Event()
        self.paused &= self.partitions
        self._set_paused(frozenset(self.paused))
        log.info(
            "kafka_partitions_assigned",
            epoch=self.epoch,
            partitions=[f"{tp.topic}-{tp.partition}" for tp in sorted(self.partitions)],
        )
        try:
            await self._listener.on_assigned(self.epoch, self.partitions)
        except Exception as error:  # noqa: BLE001 - handed on by poll()
            # As above: the client would only log it.
            self._failed("on_assigned", error)
        finally:
            self.delivering.set()

    def raise_failure(self) -> None:
        """Hand a failure to the caller: the listener's once, that of a member that stepped back for ever."""
        if self.failure is not None:
            failure = self.failure
            if not isinstance(failure, InstanceIdInUseError):
                self.failure = None
            raise failure

    def close(self) -> None:
        """No epoch is current any more, and nothing is delivered."""
        self._closed = True
        self.delivering.clear()
        self.ended.set()
        self.partitions = frozenset()

    def _step_back(self, instance_id: str) -> None:
        self.failure = InstanceIdInUseError(
            f"another living member of the group has the instance id {instance_id!r},"
            " and each throws the other out: give every process an id of its own"
        )
        # Ends the client's own task: joining again would throw the other one out once more.
        raise asyncio.CancelledError

    def _failed(self, step: str, error: Exception) -> None:
        self.failure = error
        action = "see the error: the consumer is told by its next poll"
        log.warning("kafka_assignment_listener_failed", step=step, error=repr(error), action=action)


def _ours(partitions: Iterable[ClientPartition]) -> Partitions:
    return frozenset(TopicPartition(tp.topic, tp.partition) for tp in partitions)
