"""Outbox: what the operator sees of it: the backlog as metrics, Kafka's absence as a degraded state."""

from typing import Protocol

from app.metrics import AppMetrics
from app.outbox.publisher import OutboxPublisher
from app.outbox.store import OutboxStore
from kits.observability.health import CheckResult, Status
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask

_INTERVAL_SECONDS = 5.0
_BROKER_SECONDS = 1.0


class Broker(Protocol):
    """What health needs of the Kafka kit's RecordProducer."""

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Whether a broker answers now."""
        ...


class OutboxHealth:
    """Never unready: orders are accepted while Kafka is away, and their events wait in the outbox."""

    name = "kafka"

    def __init__(self, publisher: OutboxPublisher, broker: Broker) -> None:
        self._publisher = publisher
        self._broker = broker

    async def check(self) -> CheckResult:
        """Degraded while sends make no progress or no broker answers; the latter shows without any send."""
        answers = await self._broker.broker_answers(within_seconds=_BROKER_SECONDS)
        if self._publisher.stalled or not answers:
            return CheckResult(
                Status.DEGRADED,
                "Kafka does not answer; orders are accepted, their events wait.",
            )
        return CheckResult(Status.OK)


class BacklogMeter:
    """Measures the backlog every five seconds."""

    def __init__(self, store: OutboxStore, metrics: AppMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self._task = PeriodicTask(self.measure, interval_seconds=_INTERVAL_SECONDS)

    async def run(self) -> None:
        """Measure until cancelled."""
        await self._task.run()

    async def measure(self) -> None:
        """Set the gauges once; while the database is away they keep their last value."""
        with outage_suppressed():
            backlog = await self._store.backlog()
            self._metrics.backlog_rows.set(backlog.rows)
            self._metrics.backlog_dead.set(backlog.dead)
            self._metrics.backlog_oldest.set(backlog.oldest_seconds)
