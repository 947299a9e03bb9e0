"""Outbox kit: the ordered queue of an outbox, made of the kits' parts."""

from kits.observability.metrics import Metrics
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.ports import Store
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.outbox.kafka_sink import KafkaSink, Producer, RecordFormat
from kits.resilience.breaker import Breaker
from kits.resilience.clock import Clock

_NAME = "outbox"
_MAX_HELD = 8_000
_MAX_HELD_BYTES = 32 * 1_048_576
_STALLED_SECONDS = 2.0


def kafka_queue(
    producer: Producer,
    store: Store,
    *,
    record_format: RecordFormat,
    lease: Lease,
    clock: Clock,
    metrics: Metrics,
) -> OrderedQueue:
    """The queue from this table to Kafka, `outbox` in metrics; its breaker tells of Kafka."""
    counts = QueueMetrics(metrics).of(_NAME)
    return OrderedQueue(
        lanes=Lanes(max_items=_MAX_HELD, max_bytes=_MAX_HELD_BYTES),
        sink=KafkaSink(producer, record_format, clock),
        store=store,
        write_back=WriteBack(store, lease, clock, counts),
        breaker=Breaker(clock),
        retry=RetryPolicy(stalled_seconds=_STALLED_SECONDS),
        clock=clock,
        counts=counts,
    )
