"""The group `data-platform`: order events from their topic, through the delivery rules, to the platform."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from kits.kafka.consumer import AssignmentListener, GroupConsumer
from kits.kafka.errors import InstanceIdInUseError, KafkaConfigurationError, KafkaError
from kits.kafka.records import TopicPartition
from kits.observability.health import CheckResult, HealthCheck, Status
from kits.observability.logs import get_logger
from kits.resilience.retry import Backoff
from worker.delivery.journal import Journal
from worker.delivery.loop import Collaborators, DeliveryLoop, Limits
from worker.delivery.ports import Clock, DeadLetters, Ledger, Platform, Storms
from worker.delivery.standing import StandStill
from worker.delivery.storm_guard import LIMIT, WINDOW
from worker.metrics import WorkerMetrics
from worker.order_topics import OrderTopics

log = get_logger(__name__)

_REBUILD = Backoff(base_seconds=0.5, cap_seconds=5.0)
_STOP_SECONDS = 3.0
_AWAY_SECONDS = 30.0
_BROKER_SECONDS = 1.5


@dataclass(slots=True)
class _Check:
    name: str
    ask: Callable[[], Awaitable[CheckResult]]

    async def check(self) -> CheckResult:
        return await self.ask()


class NewSource(Protocol):
    """Builds a new member of the group, with the instance id of this process's slot or without."""

    def __call__(self, listener: AssignmentListener, /, *, in_slot: bool) -> GroupConsumer: ...


class OrderEventConsumer:
    """Binds a member of the group to the delivery loop, and builds both anew when the member is spent.

    Nothing depends on its memory: what is neither in the ledger nor committed comes again from the topic.
    """

    def __init__(
        self,
        *,
        new_source: NewSource,
        topics: OrderTopics,
        ledger: Ledger,
        storms: Storms,
        platform: Platform,
        dead_letters: DeadLetters,
        clock: Clock,
        metrics: WorkerMetrics,
        limits: Limits,
    ) -> None:
        self._new_source = new_source
        self._topics = topics
        self._ledger = ledger
        self._storms = storms
        self._platform = platform
        self._dead_letters = dead_letters
        self._clock = clock
        self._metrics = metrics
        self._limits = limits
        self._source: GroupConsumer | None = None
        self._loop: DeliveryLoop | None = None
        self._away_since: float | None = None
        self._was_assigned = False
        self._in_slot = True
        self._stand_still = StandStill(lambda: asyncio.get_running_loop().time())
        metrics.observe_lag(self.lag)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, then drain and return; rebuild the member whenever Kafka fails it.

        Raises:
            ExceptionGroup: with a MisconfiguredError, drained, when the platform refuses every call.
        """
        failures = 0
        while not stop.is_set():
            try:
                await self._session(stop)
                failures = 0
            except* KafkaError as errors:
                failures = 0 if self._was_assigned else failures + 1
                self._was_assigned = False
                if errors.subgroup(InstanceIdInUseError):
                    # As an ordinary member it shares the work instead of fighting for it.
                    self._in_slot = False
                wait = _REBUILD.wait_seconds(failures)
                self._report(errors, wait)
                await _set_within(stop, wait)

    def checks(self) -> list[HealthCheck]:
        """What the probes ask: the group, the brokers, the data platform, the storm guard."""
        return [
            _Check("consumer", self._check_consumer),
            _Check("kafka", self._check_kafka),
            _Check("data_platform", self._check_platform),
            _Check("storm_guard", self._check_storm),
        ]

    def lag(self) -> int:
        """Records of this member's partitions that are not settled yet, as far as it has heard of them."""
        source, loop = self._source, self._loop
        if source is None or loop is None:
            return 0
        unfinished = sum(each.unfinished for each in loop.tracker.partitions.values())
        return sum(source.lag().values()) + unfinished

    async def on_assigned(self, epoch: int, partitions: frozenset[TopicPartition]) -> None:
        """Passed on to the loop of this member."""
        self._was_assigned = True
        if self._loop is not None:
            await self._loop.on_assigned(epoch, partitions)

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Passed on to the loop of this member."""
        if self._loop is not None:
            await self._loop.on_revoked(partitions)

    async def _session(self, stop: asyncio.Event) -> None:
        await self._topics.ensure()
        source = self._new_source(self, in_slot=self._in_slot)
        loop = self._new_loop(source)
        self._source, self._loop = source, loop
        try:
            await source.start()
            delivering = asyncio.create_task(loop.run(), name="delivery-loop")
            stopping = asyncio.create_task(stop.wait(), name="delivery-stop")
            try:
                await asyncio.wait({delivering, stopping}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopping.cancel()
                # The loop drains in its own bounds when it is cancelled.
                delivering.cancel()
                await asyncio.wait({delivering})
            if not delivering.cancelled():
                delivering.result()
        finally:
            self._source = self._loop = None
            await source.stop(within_seconds=_STOP_SECONDS)

    def _new_loop(self, source: GroupConsumer) -> DeliveryLoop:
        given = Collaborators(
            source=source,
            ledger=self._ledger,
            storms=self._storms,
            platform=self._platform,
            dead_letters=self._dead_letters,
            clock=self._clock,
            observer=Journal(log, self._metrics),
        )
        return DeliveryLoop(given, limits=self._limits)

    def _report(self, errors: BaseExceptionGroup[KafkaError], wait: float) -> None:
        for error in _leaves(errors):
            self._metrics.sessions_ended.labels(error.code).inc()
            log.warning(
                "consumer_lost",
                code=error.code,
                error=str(error),
                again_in_seconds=round(wait, 2),
                action=_action(error),
            )

    async def _check_consumer(self) -> CheckResult:
        now = asyncio.get_running_loop().time()
        loop = self._loop
        if loop is None or not loop.epoch.is_live:
            self._away_since = self._away_since or now
            if self._was_assigned and now - self._away_since < _AWAY_SECONDS:
                return CheckResult(Status.OK, "The group is rebalancing.")
            return CheckResult(Status.UNREADY, "Not (yet) a member of its group.")
        self._away_since = None
        if loop.intake.stopped:
            stopped = ", ".join(
                f"{at.topic}-{at.partition}: {code}" for at, code in loop.intake.stopped.items()
            )
            return CheckResult(Status.UNREADY, f"Partitions stand until somebody decides ({stopped}).")
        if standing := self._stand_still.standing(loop):
            names = ", ".join(f"{at.topic}-{at.partition}" for at in standing)
            return CheckResult(Status.UNREADY, f"Partitions do not move although they have work: {names}.")
        if not self._in_slot:
            return CheckResult(Status.DEGRADED, "Another living worker has this WORKER_INSTANCE_ID.")
        return CheckResult(Status.OK)

    async def _check_kafka(self) -> CheckResult:
        source = self._source
        if source is not None and await source.broker_answers(within_seconds=_BROKER_SECONDS):
            return CheckResult(Status.OK)
        return CheckResult(Status.UNREADY, "No broker answers: everything waits in the topic.")

    async def _check_platform(self) -> CheckResult:
        calls = self._loop.driver.calls if self._loop is not None else None
        if calls is not None and calls.halt.is_unready:
            detail = f"It answers {calls.halt.reason} to every call: check DATA_PLATFORM_URL and _TOKEN."
            return CheckResult(Status.UNREADY, detail)
        if calls is not None and not calls.breaker.is_closed:
            return CheckResult(Status.DEGRADED, "No call succeeds: events wait, in their order.")
        return CheckResult(Status.OK)

    async def _check_storm(self) -> CheckResult:
        if self._loop is not None and self._loop.guard.has_tripped:
            detail = (
                f"Over {LIMIT} of the last {WINDOW} events would be dead letters: the group stands until"
                " `python -m worker dlq storm release --reason …`."
            )
            return CheckResult(Status.UNREADY, detail)
        return CheckResult(Status.OK)


def _action(error: KafkaError) -> str:
    if isinstance(error, InstanceIdInUseError):
        return "give each worker a WORKER_INSTANCE_ID of its own; until its restart this one goes on without"
    if isinstance(error, KafkaConfigurationError):
        return "change what the error names; it is tried again until it works"
    return "none if Kafka comes back; else check KAFKA_BOOTSTRAP_SERVERS and the credentials"


def _leaves(errors: BaseExceptionGroup[KafkaError]) -> list[KafkaError]:
    found: list[KafkaError] = []
    for error in errors.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
