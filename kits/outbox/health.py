"""Outbox kit, health: what the operator sees of Kafka's absence: a degraded state."""

from typing import Protocol

from kits.observability.health import CheckResult, Status
from kits.resilience.breaker import Breaker

_BROKER_SECONDS = 1.0


class Broker(Protocol):
    """What health needs of the Kafka kit's RecordProducer."""

    async def broker_answers(self, *, within_seconds: float) -> bool:
        """Whether a broker answers now."""
        ...


class OutboxHealth:
    """Never unready: the process works on while Kafka is away, and its events wait in the outbox."""

    name = "kafka"

    def __init__(self, breaker: Breaker, broker: Broker, *, meanwhile: str) -> None:
        """Args: meanwhile: what goes on without Kafka, as in "orders are accepted"."""
        self._breaker = breaker
        self._broker = broker
        self._detail = f"Kafka does not answer; {meanwhile}, their events wait."

    async def check(self) -> CheckResult:
        """Degraded while sends make no progress or no broker answers; the latter shows without any send."""
        answers = await self._broker.broker_answers(within_seconds=_BROKER_SECONDS)
        if not self._breaker.is_closed or not answers:
            return CheckResult(Status.DEGRADED, self._detail)
        return CheckResult(Status.OK)
