"""Delivery: what the rules need from the outside, as plain protocols."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from kits.kafka.records import IncomingRecord, TopicPartition
from worker.delivery.breaker import BreakerState
from worker.delivery.event import Event
from worker.delivery.failures import Answer, Outcome
from worker.delivery.storm_guard import Trip
from worker.delivery.verdicts import Kept, Known, Recorded, Verdict

Partitions = frozenset[TopicPartition]


class LedgerUnavailableError(Exception):
    """The ledger's database is away or busy. Everything is kept; the same call again is safe."""

    code = "ledger_unavailable"


class DeadLettersUnavailableError(Exception):
    """A dead letter's copy was not acknowledged. The same copy again is safe."""

    code = "dead_letters_unavailable"


class Clock(Protocol):
    """Wall time, for what people read. Waits use the event loop's clock."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        ...


class Source(Protocol):
    """A member of the consumer group; see kits.kafka.consumer.GroupConsumer for its guarantees."""

    async def poll(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[IncomingRecord]]: ...
    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def commit(
        self, offsets: Mapping[TopicPartition, int], *, epoch: int, within_seconds: float
    ) -> None: ...
    async def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]: ...
    async def log_start(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...


class Platform(Protocol):
    """The data platform. A call never raises for what the platform or the network does: it answers so."""

    batch_size: int
    """How many events one call may carry; 1 means single calls only."""

    async def send(self, event: Event) -> Answer:
        """Send one event by itself."""
        ...

    async def send_batch(self, events: Sequence[Event]) -> list[Answer]:
        """Send events of different orders in one call; one answer each, in their order."""
        ...


class Ledger(Protocol):
    """The group's memory. Every method raises LedgerUnavailableError, and may be called again then."""

    async def first_offsets(self) -> dict[TopicPartition, int]:
        """Where the log of each partition began when the group first saw it."""
        ...

    async def add_partitions(self, first_offsets: Mapping[TopicPartition, int]) -> None:
        """Remember partitions; those that are known stay as they are."""
        ...

    async def look_up(self, order_ids: Collection[str], event_ids: Collection[str]) -> Known:
        """What is known of these orders and events: one read."""
        ...

    async def record(self, verdicts: Sequence[Verdict]) -> Recorded:
        """Write verdicts in one transaction, each decided again under the lock of its order's row.

        Per order, the verdicts count in the order given. Safe to repeat; last_seq only grows.
        """
        ...

    async def resumable(self, partitions: Collection[TopicPartition], *, limit: int) -> list[Kept]:
        """What may go now: parked events whose time has come, and held events whose turn has come.

        Held ones are in seq order per order; none of an order that has a dead event. Nothing of an order that
        an operator's command works on (worker.delivery.stuck.Lease).
        """
        ...


class Storms(Protocol):
    """The group's last storm. Every method raises LedgerUnavailableError, and may be called again then."""

    async def last(self) -> Trip | None:
        """The storm that stands, or the one that was released lately."""
        ...

    async def trip(self, event_ids: Collection[str]) -> None:
        """The group stands: these events were about to die. Adds to a storm that stands already."""
        ...


class DeadLetters(Protocol):
    """The dead-letter topic."""

    async def copy(self, verdicts: Sequence[Verdict]) -> None:
        """Copy dead events, in order; returns when all copies are acknowledged.

        Raises:
            DeadLettersUnavailableError: some may have been copied; repeat them all.
        """
        ...


class Observer(Protocol):
    """Told what happens, for logs and metrics. It must not raise."""

    def received(self, event: Event) -> None: ...
    def answered(self, event: Event, outcome: Outcome) -> None: ...
    def suppressed(self, event: Event) -> None: ...
    def recorded(self, verdict: Verdict) -> None: ...
    def called(self, *, batch: bool, events: int, seconds: float) -> None: ...
    def retrying(
        self, outcome: Outcome, code: str, reason: str, *, events: int, wait_seconds: float
    ) -> None: ...
    def batches_ended(self, code: str) -> None: ...
    def breaker_changed(self, state: BreakerState, code: str, reason: str) -> None: ...
    def storm_tripped(self, at: datetime) -> None: ...
    def storm_released(self) -> None: ...
    def waiting_for(self, what: str, error: Exception, *, wait_seconds: float) -> None: ...
    def back(self, what: str) -> None: ...
    def commit_failed(self, error: Exception) -> None: ...
    def partition_opened(self, partition: TopicPartition, offset: int, *, is_new: bool) -> None: ...
    def partition_stopped(self, partition: TopicPartition, code: str) -> None: ...
