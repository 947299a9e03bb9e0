"""Where the objects of the group data-platform are built: the inbox, and what stands around it."""

from typing import Any
from uuid import uuid4

from dependency_injector import providers

from contracts.avro_schemas import subjects
from contracts.topics import DATA_PLATFORM_DLQ, ORDER_EVENTS
from kits.kafka.admin import TopicAdmin
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_watch import GroupWatch
from kits.kafka.log_reader import LogReader
from kits.kafka.producer import RecordProducer
from kits.observability.metrics import Metrics
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.sql_store import Enqueue
from kits.ordered_queue.write_back import WriteBack
from kits.postgres.engine import EnginePools
from kits.resilience.breaker import Breaker
from kits.resilience.clock import BootClock
from kits.schemas.known_schemas import SqlKnownSchemas
from kits.schemas.reading import AvroReader
from kits.schemas.registry import registry_of
from worker.command_container import InboxContainer
from worker.groups.data_platform.client import DataPlatformClient
from worker.groups.data_platform.group import DataPlatformGroup, Delivery, Gauges, Rounds
from worker.groups.data_platform.halt import Halt
from worker.groups.data_platform.sink import CallLimits, DataPlatformSink
from worker.groups.topics import DLQ_RECORD_BYTES, GroupTopics, order_topics
from worker.groups.watched import watched_group
from worker.inbox.dead_letter_copies import DeadLetterCopies
from worker.inbox.group_state import GroupState
from worker.inbox.health import InboxWatch, PartitionsCheck
from worker.inbox.ledger.former_workers import FormerWorkers
from worker.inbox.metrics import InboxMetrics
from worker.inbox.payloads import Payloads
from worker.inbox.positions import Positions
from worker.inbox.queue_table import inbox_queue
from worker.inbox.receive import InboxReceiver
from worker.inbox.store import InboxStore
from worker.inbox.table import known_schema
from worker.metrics import ConsumerMetrics, DeliveryMetrics
from worker.settings import ADMIN_CLIENT_ID, CLIENT_ID

_LEASE_SECONDS = 10.0
_HELD_BYTES = 64 * 1_048_576
_ROUND_SECONDS = 5.0


def listed(*found: Any) -> list[Any]:
    """One list of objects, and of lists of them."""
    return [one for each in found for one in (each if isinstance(each, list) else [each])]


def _token() -> str:
    return str(uuid4())


class DataPlatformContainer(InboxContainer):
    """What reads into the inbox and delivers from it, and what every group has: topics, metrics."""

    settings = InboxContainer.settings
    group = InboxContainer.group
    engine = InboxContainer.engine
    order_events = providers.Object(ORDER_EVENTS)
    dead_letter_topic = providers.Object(DATA_PLATFORM_DLQ)
    _kafka = {  # noqa: RUF012 - providers, wired once
        "bootstrap_servers": settings.provided.kafka.bootstrap_servers,
        "security": settings.provided.kafka,
    }

    metrics = providers.Singleton(Metrics)
    group_topics = providers.Factory(
        GroupTopics, providers.Singleton(TopicAdmin, **_kafka, client_id=ADMIN_CLIENT_ID)
    )
    _topics = providers.Singleton(
        group_topics,
        providers.Callable(
            order_topics, order_events, dead_letter_topic, settings.provided.order.events_partitions
        ),
    )
    _registry = providers.Callable(registry_of, settings.provided.schema_registry)
    record_values = providers.Factory(AvroReader, registry=_registry, subjects=providers.Callable(subjects))
    known_schemas = providers.Factory(SqlKnownSchemas, registry=settings.provided.schema_registry.url)
    _values = providers.Singleton(
        record_values, "schemas_data_platform", known=providers.Factory(known_schemas, engine, known_schema)
    )
    watch = providers.Factory(
        GroupWatch, **_kafka, client_id=ADMIN_CLIENT_ID, topics=providers.List(order_events)
    )
    consumer_metrics = providers.Singleton(ConsumerMetrics, metrics)
    watched_group = providers.Factory(
        watched_group,
        settings,
        topic=order_events,
        topics=_topics,
        group_metrics=providers.Singleton(GroupMetrics, metrics),
        metrics=consumer_metrics,
    )

    # data-platform: the inbox, an ordered queue from the topic to the platform
    _clock = providers.Singleton(BootClock)
    health_engine = providers.Singleton(InboxContainer.pool, pool_size=1)
    data_platform_pools = providers.Singleton(EnginePools, providers.List(engine, health_engine))
    _holder = {  # noqa: RUF012 - providers, wired once
        # Who this process is, anew at each of its starts.
        "token": providers.Singleton(_token),
        "lease": providers.Singleton(Lease, _LEASE_SECONDS),
        "clock": _clock,
    }
    _inbox_table = providers.Singleton(
        inbox_queue, group, engine, gap_seconds=settings.provided.worker.gap_wait_seconds
    )
    _inbox_metrics = providers.Singleton(InboxMetrics, metrics)
    _breaker = providers.Singleton(Breaker, _clock)
    group_state = providers.Singleton(GroupState, engine, group, _breaker, _clock)
    inbox_store = providers.Singleton(InboxStore, engine, _inbox_table, group_state, **_holder)
    _queue_metrics = providers.Singleton(QueueMetrics, metrics)
    _counts = _queue_metrics.provided.of.call(group)
    _write_back = providers.Singleton(WriteBack, inbox_store, _holder["lease"], _clock, _counts)
    _platform = settings.provided.data_platform
    _client = providers.Singleton(
        DataPlatformClient,
        url=_platform.url,
        token=_platform.token,
        connections=_platform.connections,
        ca_file=_platform.ca_file,
    )
    _delivery_metrics = providers.Singleton(DeliveryMetrics, metrics, group=group)
    _halt = providers.Singleton(Halt, end_seconds=settings.provided.worker.halt_seconds)
    _sink = providers.Singleton(
        DataPlatformSink,
        client=_client,
        clock=_clock,
        limit=group_state,
        halt=_halt,
        metrics=_delivery_metrics,
        limits=providers.Factory(
            CallLimits,
            batch_size=_platform.batch_size,
            batch_calls=_platform.batch_calls,
            single_calls=_platform.single_calls,
        ),
    )
    queue = providers.Singleton(
        OrderedQueue,
        lanes=providers.Factory(
            Lanes, max_items=settings.provided.worker.max_in_flight, max_bytes=_HELD_BYTES
        ),
        sink=_sink,
        store=inbox_store,
        write_back=_write_back,
        breaker=_breaker,
        retry=providers.Factory(RetryPolicy),
        clock=_clock,
        counts=_counts,
    )
    receiver = providers.Singleton(
        InboxReceiver,
        engine=engine,
        group=group,
        enqueue=providers.Factory(Enqueue, _inbox_table, **_holder),
        queue=queue,
        positions=providers.Factory(Positions, engine, group),
        metrics=_inbox_metrics,
    )
    _producer = providers.Singleton(
        RecordProducer, **_kafka, client_id=CLIENT_ID, max_request_bytes=DLQ_RECORD_BYTES
    )
    _copies = providers.Singleton(
        DeadLetterCopies,
        engine,
        _producer,
        group=group,
        topic=dead_letter_topic,
    )
    _payloads = providers.Singleton(
        Payloads,
        engine,
        providers.Factory(LogReader, **_kafka, client_id=ADMIN_CLIENT_ID),
        _values,
        group=group,
    )
    _platform_watch = providers.Singleton(watch, group=group)
    _former = providers.Singleton(FormerWorkers, _platform_watch, InboxContainer.ledger_migration)
    _inbox_watch = providers.Singleton(InboxWatch, engine, inbox_store, group_state, group, _inbox_metrics)
    data_platform_group = providers.Singleton(
        DataPlatformGroup,
        name=group,
        reading=providers.Factory(
            watched_group, name=group, values=_values, handler=receiver, watch=_platform_watch
        ),
        delivery=providers.Factory(
            Delivery,
            state=group_state,
            queue=queue,
            sink=_sink,
            client=_client,
            breaker=_breaker,
            halt=_halt,
        ),
        producer=_producer,
        forerunner=_former,
        tasks=providers.Dict(
            {
                "group-state": group_state,
                "inbox-watch": _inbox_watch,
                "delivery-gauges": providers.Factory(Gauges, _delivery_metrics, group_state, _halt),
                "dead-letter-copies": providers.Factory(Rounds, _copies, every_seconds=_ROUND_SECONDS),
                "replayed-payloads": providers.Factory(Rounds, _payloads, every_seconds=_ROUND_SECONDS),
            }
        ),
        checks=providers.Callable(
            listed,
            _former,
            providers.Factory(PartitionsCheck, receiver),
            _copies,
            _payloads,
            _inbox_watch.provided.checks.call(),
        ),
    )
