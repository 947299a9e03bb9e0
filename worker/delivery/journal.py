"""Delivery: writes down what happens. Per event at debug, changes of state at info and above."""

import logging
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from kits.kafka.records import TopicPartition
from worker.delivery.breaker import BreakerState
from worker.delivery.event import Event
from worker.delivery.failures import Outcome
from worker.delivery.openings import OFFSETS_MISSING
from worker.delivery.verdicts import Status, Verdict
from worker.metrics import WorkerMetrics

_CONFIGURATION_ACTION = (
    "check DATA_PLATFORM_URL and DATA_PLATFORM_TOKEN: nothing is lost, events wait; without a success the"
    " process ends with exit code 3 after a minute"
)
_STORM_ACTION = (
    "nothing more is delivered: find out why the platform refuses so many events, mend it, then let the group"
    " go on with `python -m worker dlq storm release --reason …`"
)
_PARKED_ACTION = (
    "none yet: only its order waits, it is tried again by itself; look at this event on the platform's side"
)
_DEAD_ACTION = "find out why it fails; the later events of this order are held, no other order waits"
_RETRY_ACTION = "none: events wait in their order; look at the data platform if this goes on"
_MISSING_ACTION = (
    "mend it with `python -m worker offsets show`, then `offsets resume --from-ledger` or"
    " `offsets seek --partition N --offset M`; the partition is not consumed until then"
)
_RANGE_ACTION = (
    "records were lost to the retention, or the topic was made anew: decide with"
    " `python -m worker offsets show` and `offsets seek --partition N --offset M`;"
    " the partition is not consumed until then"
)
_BREAKER_NUMBERS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Journal:
    """worker.delivery.ports.Observer as log lines of one consumer group, and as metrics."""

    def __init__(self, log: FilteringBoundLogger, metrics: WorkerMetrics) -> None:
        self._log = log = log.bind()
        self._tells_all = log.is_enabled_for(logging.DEBUG)
        self._metrics = metrics
        self._answered = {outcome: metrics.answered.labels(outcome.value) for outcome in Outcome}
        self._call_seconds = {
            True: metrics.call_seconds.labels("batch"),
            False: metrics.call_seconds.labels("single"),
        }
        self._delivered = metrics.recorded.labels(Status.DELIVERED.value, "")
        self._waiting: set[str] = set()
        self._breaker = BreakerState.CLOSED

    def received(self, event: Event) -> None:
        self._metrics.received.inc()
        if self._tells_all:
            self._log.debug(
                "event_received",
                order_id=event.order_id,
                event_id=event.event_id,
                seq=event.seq,
                partition=event.record.partition,
                offset=event.record.offset,
            )

    def answered(self, event: Event, outcome: Outcome) -> None:
        self._answered[outcome].inc()
        if self._tells_all:
            self._log.debug(
                "event_delivered" if outcome is not Outcome.REJECTED else "event_rejected",
                order_id=event.order_id,
                event_id=event.event_id,
                seq=event.seq,
                outcome=outcome.value,
            )

    def suppressed(self, event: Event) -> None:
        self._metrics.suppressed.inc()
        self._log.debug("event_suppressed", order_id=event.order_id, event_id=event.event_id, seq=event.seq)

    def recorded(self, verdict: Verdict) -> None:
        if verdict.baseline:
            self._metrics.baselines.inc()
        if verdict.status is Status.DELIVERED or verdict.failure is None:
            self._delivered.inc()
            return
        event, failure = verdict.event, verdict.failure
        self._metrics.recorded.labels(verdict.status.value, failure.error_class).inc()
        fields = {
            "order_id": event.order_id,
            "event_id": event.event_id,
            "seq": event.seq,
            "code": failure.code,
            "reason": failure.message,
        }
        if verdict.status is Status.DEAD:
            attempts = event.attempts
            self._log.warning("event_dead_lettered", **fields, attempts=attempts, action=_DEAD_ACTION)
        elif verdict.status is Status.RETRYING:
            wait = round(verdict.retry_in_seconds or 0.0, 1)
            self._log.warning(
                "order_parked",
                **fields,
                attempts=event.attempts,
                again_in_seconds=wait,
                action=_PARKED_ACTION,
            )
        else:
            self._log.debug("event_set_aside", **fields, status=verdict.status.value)

    def called(self, *, batch: bool, events: int, seconds: float) -> None:
        self._call_seconds[batch].observe(seconds)
        self._log.debug("data_platform_called", batch=batch, events=events, seconds=round(seconds, 4))

    def retrying(self, outcome: Outcome, code: str, reason: str, *, events: int, wait_seconds: float) -> None:
        self._metrics.retries.labels(outcome.value).inc(events)
        self._log.debug(
            "call_failed",
            outcome=outcome.value,
            code=code,
            reason=reason,
            events=events,
            again_in_seconds=round(wait_seconds, 2),
        )

    def batches_ended(self, code: str) -> None:
        action = "none: events go by single calls; set DATA_PLATFORM_BATCH_SIZE=1 to stop asking"
        self._log.warning("batch_path_missing", code=code, action=action)

    def breaker_changed(self, state: BreakerState, code: str, reason: str) -> None:
        before, self._breaker = self._breaker, state
        self._metrics.breaker_state.set(_BREAKER_NUMBERS[state])
        if state is BreakerState.CLOSED:
            self._log.info("breaker_closed")
        elif state is BreakerState.HALF_OPEN:
            self._log.info("breaker_half_open", last_code=code)
        elif before is BreakerState.CLOSED:
            self._metrics.breaker_openings.inc()
            action = _CONFIGURATION_ACTION if _is_ours_to_mend(code) else _RETRY_ACTION
            self._log.warning("breaker_opened", code=code, reason=reason, action=action)

    def storm_tripped(self, at: datetime) -> None:
        self._metrics.storm.set(1)
        self._log.error("storm_guard_tripped", at=at.isoformat(), action=_STORM_ACTION)

    def storm_released(self) -> None:
        self._metrics.storm.set(0)
        self._log.warning("storm_guard_released", action="none: the group goes on")

    def waiting_for(self, what: str, error: Exception, *, wait_seconds: float) -> None:
        self._metrics.waits.labels(what).inc()
        if what not in self._waiting:
            self._waiting.add(what)
            action = "none: everything is kept and tried again; look at its server if this goes on"
            self._log.warning(
                f"{what}_lost", error=str(error), again_in_seconds=round(wait_seconds, 2), action=action
            )

    def back(self, what: str) -> None:
        self._waiting.discard(what)
        self._log.info(f"{what}_back")

    def commit_failed(self, error: Exception) -> None:
        self._metrics.commit_failures.inc()
        action = "none: a later commit repairs it; look at Kafka if this goes on"
        self._log.warning("commit_failed", error=str(error), action=action)

    def partition_opened(self, partition: TopicPartition, offset: int, *, is_new: bool) -> None:
        self._log.info(
            "partition_opened",
            topic=partition.topic,
            partition=partition.partition,
            offset=offset,
            is_new=is_new,
        )

    def partition_stopped(self, partition: TopicPartition, code: str) -> None:
        self._metrics.partitions_stopped.labels(code).inc()
        action = _MISSING_ACTION if code == OFFSETS_MISSING else _RANGE_ACTION
        self._log.error(code, topic=partition.topic, partition=partition.partition, action=action)


def _is_ours_to_mend(code: str) -> bool:
    waiting = code in {"http_408", "http_425", "http_429"}
    return code.startswith(("http_3", "http_4")) and not waiting
