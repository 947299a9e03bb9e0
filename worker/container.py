"""The one place where the worker's objects are built."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from dependency_injector import containers, providers

from contracts.topics import (
    DATA_PLATFORM_DLQ,
    DATA_PLATFORM_GROUP,
    ORDER_EVENTS,
    TOPIC_CONFIG,
)
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.consumer import AssignmentListener, GroupConsumer
from kits.kafka.producer import RecordProducer
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from kits.web.middleware.turns import Turns
from kits.web.probes.app import create_probe_app
from kits.web.server.serving import OPS_LIMITS, Shutdown, serve
from worker.consumers.data_platform import NewSource, OrderEventConsumer
from worker.data_platform_client import HttpDataPlatformClient
from worker.dead_letter_topic import KafkaDeadLetterTopic
from worker.delivery.calls import CallLimits
from worker.delivery.intake import IntakeLimits
from worker.delivery.loop import Limits
from worker.inbox.table import inbox
from worker.ledger.deliveries import SqlLedger
from worker.ledger.health import LedgerCheck
from worker.ledger.storms import SqlStorms
from worker.ledger.tables import SCHEMA
from worker.ledger.tables import ledger as ledger_tables
from worker.metrics import WorkerMetrics
from worker.order_topics import OrderTopics
from worker.runner import Runner
from worker.settings import LedgerSettings, WorkerSettings

CLIENT_ID = "order-worker"
_DLQ_RECORD_BYTES = 2 * 1_048_576
"""A copy is larger than its event: it has more headers."""


class SystemClock:
    """worker.delivery.ports.Clock: the machine's wall time."""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC)


def order_topics(order_events: str, dead_letters: str, partitions: int) -> list[TopicSpec]:
    """The topics as they should be; partitions alike, so that a key has the same number in both."""
    larger = {**TOPIC_CONFIG, "max.message.bytes": str(_DLQ_RECORD_BYTES)}
    return [
        TopicSpec(order_events, partitions, config=TOPIC_CONFIG),
        TopicSpec(dead_letters, partitions, like=order_events, config=larger),
    ]


def limits_of(settings: WorkerSettings) -> Limits:
    """The delivery loop's bounds."""
    return Limits(
        calls=CallLimits(
            batch_calls=settings.data_platform.batch_calls, single_calls=settings.data_platform.single_calls
        ),
        intake=IntakeLimits(records=settings.worker.max_in_flight),
        gap_wait_seconds=settings.worker.gap_wait_seconds,
        halt_seconds=settings.worker.halt_seconds,
    )


def platform_client(settings: WorkerSettings) -> HttpDataPlatformClient:
    """The client, with a connection for every call that may be in flight."""
    return HttpDataPlatformClient(
        url=settings.data_platform.url,
        token=settings.data_platform.token,
        batch_size=settings.data_platform.batch_size,
        connections=settings.data_platform.batch_calls + settings.data_platform.single_calls,
        ca_file=settings.data_platform.ca_file,
    )


def group_member(settings: WorkerSettings, group: str, topic: str) -> NewSource:
    """A function that builds a new member of the group."""

    def build(listener: AssignmentListener, *, in_slot: bool) -> GroupConsumer:
        return GroupConsumer(
            bootstrap_servers=settings.kafka.bootstrap_servers,
            security=settings.kafka,
            group=group,
            topics=[topic],
            client_id=CLIENT_ID,
            instance_id=(settings.worker.instance_id or None) if in_slot else None,
            listener=listener,
        )

    return build


def probe_server(
    settings: WorkerSettings, health: Health, metrics: Metrics
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A function that serves the probes until its event is set."""
    app = create_probe_app(health, metrics, Turns())

    def serve_probes(stop: asyncio.Event) -> Awaitable[None]:
        return serve(
            app,
            host=settings.worker.host,
            port=settings.worker.port,
            stop=stop,
            shutdown=Shutdown(drain_seconds=1.0),
            limits=OPS_LIMITS,
        )

    return serve_probes


class LedgerContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings: providers.Dependency[LedgerSettings] = providers.Dependency()
    group = providers.Object(DATA_PLATFORM_GROUP)
    engine = providers.Singleton(
        create_engine,
        settings.provided.ledger_url,
        application_name=CLIENT_ID,
        pool_size=5,
        schemas=providers.Dict({SCHEMA: settings.provided.worker.database_schema}),
    )
    history = providers.Singleton(
        History, "worker", schema=settings.provided.worker.database_schema, made=(ledger_tables, inbox)
    )
    ledger_check = providers.Singleton(LedgerCheck, engine, history)
    storms = providers.Singleton(SqlStorms, engine, group=group)


class Container(LedgerContainer):
    """What the consuming process needs. Topics and group can be overridden, by tests too."""

    settings = LedgerContainer.settings
    group = LedgerContainer.group
    order_events = providers.Object(ORDER_EVENTS)
    dead_letter_topic = providers.Object(DATA_PLATFORM_DLQ)

    clock = providers.Singleton(SystemClock)
    metrics = providers.Singleton(Metrics)
    worker_metrics = providers.Singleton(WorkerMetrics, metrics)
    client = providers.Singleton(platform_client, settings)
    producer = providers.Singleton(
        RecordProducer,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
        max_request_bytes=_DLQ_RECORD_BYTES,
    )
    admin = providers.Singleton(
        TopicAdmin,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )
    dead_letters = providers.Singleton(KafkaDeadLetterTopic, producer, topic=dead_letter_topic, group=group)
    ledger = providers.Singleton(SqlLedger, LedgerContainer.engine, group=group)
    ledger_check = LedgerContainer.ledger_check
    data_platform_consumer = providers.Singleton(
        OrderEventConsumer,
        new_source=providers.Singleton(group_member, settings, group, order_events),
        topics=providers.Singleton(
            OrderTopics,
            admin,
            providers.Callable(
                order_topics, order_events, dead_letter_topic, settings.provided.order.events_partitions
            ),
        ),
        ledger=ledger,
        storms=LedgerContainer.storms,
        platform=client,
        dead_letters=dead_letters,
        clock=clock,
        metrics=worker_metrics,
        limits=providers.Callable(limits_of, settings),
    )
    health = providers.Singleton(
        lambda ledger_check, consumer: Health([ledger_check, *consumer.checks()]),
        ledger_check,
        data_platform_consumer,
    )
    runner = providers.Factory(
        Runner,
        consumers=providers.Dict({DATA_PLATFORM_GROUP: data_platform_consumer}),
        ledger_check=ledger_check,
        health=health,
        serve_probes=providers.Callable(probe_server, settings, health, metrics),
        client=client,
        producer=producer,
        dispose=LedgerContainer.engine.provided.dispose,
        database_wait_seconds=settings.provided.database.wait_seconds,
        drain_seconds=settings.provided.worker.drain_seconds,
    )
