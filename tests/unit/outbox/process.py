"""An API process as its outbox sees it: the real publisher, relay and write-back; it freezes and crashes."""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.metrics import AppMetrics
from app.outbox.breaker import PublishBreaker
from app.outbox.claim import Claim
from app.outbox.publisher import OutboxPublisher
from app.outbox.relay import OutboxRelay
from app.outbox.store import FailedSend
from app.outbox.write_back import WriteBack
from contracts.envelope import EventMessage
from kits.kafka.records import Acknowledgement, Deadline
from kits.observability.metrics import Metrics
from kits.process.background import Supervisor
from tests.unit.outbox.in_memory import InMemoryOutbox, InMemoryTransaction, Row
from tests.unit.outbox.invariants import Invariants
from tests.unit.outbox.kafka import Kafka, SimulatedProducer

_METRICS = AppMetrics(Metrics())
STALLED_SECONDS = 1.0


@dataclass
class Database:
    """The rows that all processes share, and whether anybody reaches them."""

    rows: dict[str, Row] = field(default_factory=dict)
    away: bool = False
    trouble_at: float = 0.0
    loses_answers: float = 0.0
    """How often a statement is done, and nobody hears of it."""


@dataclass
class Surroundings:
    """What one process shares with the others, and its limits."""

    rng: random.Random
    kafka: Kafka
    database: Database
    invariants: Invariants
    too_large: set[str]
    lease_seconds: float
    max_pending: int
    max_held: int


class ReachedOutbox(InMemoryOutbox):
    """The outbox as one process reaches it: slowly, or not at all; every effect is checked."""

    def __init__(self, process: "ApiProcess", around: Surroundings) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(around.database.rows, lease_seconds=around.lease_seconds, clock=loop.time)
        self._process = process
        self._around = around

    async def ask(self) -> None:
        """Frozen processes ask nothing."""
        await self._travel()
        if self._around.database.away:
            raise ConnectionRefusedError("no server")

    async def answer(self) -> None:
        """The statement is done; its process may never hear of it."""
        lost = self._around.rng.random() < self._around.database.loses_answers
        await self._travel()
        if lost or self._around.database.away:
            self._process.trouble_at = self.clock()
            raise ConnectionResetError("the connection broke")

    async def claim_heads(self, limit: int) -> list[Claim]:
        """See the store."""
        self._around.invariants.claiming(self._process, limit)
        return await super().claim_heads(limit)

    def grant(self, row: Row, claim: Claim) -> None:
        """See the outbox in memory."""
        self._around.invariants.granted(self._process, row, claim)
        super().grant(row, claim)

    async def _travel(self) -> None:
        await self._process.running.wait()
        await asyncio.sleep(self._around.rng.choice([0.0, 0.002, 0.002, 0.1]))
        await self._process.running.wait()

    def _publish(self, claim: Claim, ack: Acknowledgement) -> None:
        self._around.invariants.settled(self._row(claim), claim, published=True)
        super()._publish(claim, ack)

    def _fail(self, failed: FailedSend) -> None:
        self._around.invariants.settled(self._row(failed.claim), failed.claim, published=False)
        super()._fail(failed)


class ApiProcess:
    """Everything between commit and Kafka, wired as the container does it."""

    def __init__(self, around: Surroundings) -> None:
        loop = asyncio.get_running_loop()
        self._around = around
        self.running = asyncio.Event()
        self.running.set()
        self.is_alive = True
        self.trouble_at = loop.time()
        self.store = ReachedOutbox(self, around)
        self.producer = SimulatedProducer(
            around.kafka, self, self.running, around.too_large, max_pending=around.max_pending
        )
        self._breaker = PublishBreaker(
            stalled_seconds=STALLED_SECONDS, max_pending=around.max_pending, clock=loop.time
        )
        self.write_back = WriteBack(self.store, _METRICS, lease_seconds=around.lease_seconds)
        self.publisher = OutboxPublisher(
            self.write_back, self.producer, self._breaker, max_held=around.max_held
        )
        relay = OutboxRelay(self.store, self.publisher)
        self._tasks = Supervisor()
        self._sending = asyncio.create_task(self.producer.run())
        self._requests: dict[asyncio.Task[Any], None] = {}
        self._tasks.start("relay", relay.run)
        self._tasks.start("write-back", self.write_back.run)

    @property
    def calm_since(self) -> float:
        """See the invariants."""
        if not self.running.is_set() or self._around.database.away:
            return asyncio.get_running_loop().time()
        return max(self.trouble_at, self._around.database.trouble_at)

    @property
    def kafka_is_silent(self) -> bool:
        """See the invariants."""
        pending, now = self.producer.pending, asyncio.get_running_loop().time()
        silent_for = min(self.producer.oldest_pending_seconds, now - self.producer.last_progress)
        return pending >= self._around.max_pending or (pending > 0 and silent_for > STALLED_SECONDS)

    @property
    def breaker_is_open(self) -> bool:
        """See the invariants."""
        return self._breaker.is_open

    @property
    def held(self) -> int:
        """See the invariants."""
        return self.publisher.held

    @property
    def has_room(self) -> bool:
        """See the invariants."""
        return self.held < self._around.max_held

    def handed_over(self, event_id: str, deadline: Deadline) -> None:
        """A record leaves this process."""
        self._around.invariants.handed_over(self, event_id, deadline)

    def session_replaced(self, event_ids: Sequence[str]) -> None:
        """Its producer does not know of these."""
        self._around.invariants.session_replaced(event_ids)

    def deadline_passed(self, deadline: Deadline) -> None:
        """It gives a record up."""
        self._around.invariants.deadline_passed(self, deadline)

    def answered(self) -> None:
        """Kafka works, and it has heard of it."""
        self._around.invariants.answered(self)

    def begin(self, request: Coroutine[Any, Any, None]) -> None:
        """Serve a request, unless the process dies meanwhile."""
        task = asyncio.create_task(request)
        # Ordered, so that a seed repeats itself exactly.
        self._requests[task] = None
        task.add_done_callback(self._requests.pop)

    async def commit(self, messages: Sequence[EventMessage], *, rolls_back: bool) -> None:
        """A transaction with these events, as the unit of work and its listeners do it."""
        transaction = InMemoryTransaction(self.store)
        claimed = self.publisher.accepts()
        self._around.invariants.born(self, claimed=claimed)
        await transaction.add(messages, claimed=claimed)
        await asyncio.sleep(self._around.rng.choice([0.0, 0.05, 0.3]))
        if rolls_back:
            return
        await transaction.commit()
        self.begin(self._publish(transaction.claimed()))

    async def freeze(self, seconds: float) -> None:
        """Nothing happens here for a while; what is with Kafka or the database goes on there."""
        self.running.clear()
        await asyncio.sleep(seconds)
        self.trouble_at = asyncio.get_running_loop().time()
        self.running.set()

    async def crash(self) -> None:
        """Vanish; what it held is left to the end of its leases."""
        self.is_alive = False
        for task in (self._sending, *self._requests):
            task.cancel()
        await self._tasks.stop()

    async def stop(self) -> None:
        """End as the lifecycle does."""
        self.is_alive = False
        await asyncio.gather(*self._requests, return_exceptions=True)
        await self._tasks.stop()
        await self.producer.stop(within_seconds=2.0)
        self._sending.cancel()
        await asyncio.sleep(0)
        await self.write_back.flush(within_seconds=2.0)

    async def _publish(self, claims: Sequence[Claim]) -> None:
        await self.running.wait()
        self.publisher.publish(claims)
