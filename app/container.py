"""The one place where the objects of the order service are built."""

from datetime import timedelta

from dependency_injector import containers, providers

from app.application.held_rows import HeldRows
from app.application.order_contracts import OrderContracts
from app.application.order_expiry import OrderExpiry
from app.application.order_facade import OrderFacade
from app.application.order_intake import OrderIntake
from app.application.order_life import OrderLife
from app.application.order_listeners import DataPlatformEventListener
from app.application.order_queries import OrderQueries
from app.application.order_quotes import OrderQuotes
from app.application.transactional_events import EventBus
from app.catalogue_container import CatalogueContainer
from app.clients.member_directory import member_directory
from app.command_container import CLIENT_ID, make_id
from app.delivery_watch import DeliveryWatch
from app.engine_container import EngineContainer
from app.metrics import AppMetrics
from app.outbox.recorder import SqlOutbox
from app.outbox.table import OutboxStore, known_schema, outbox_event, outbox_queue
from app.outbox.table import outbox as outbox_tables
from app.persistence.idempotency import SqlIdempotencyKeys
from app.persistence.key_retention import KeyRetention
from app.persistence.offers import SqlOfferReader
from app.persistence.queries import SqlOrderReader
from app.persistence.storage_errors import MIGRATE_COMMAND
from app.persistence.tables import shop
from app.persistence.unit_of_work import SqlTransactions
from app.persistence.write_probe import shop_write_probe
from app.rpc_container import RpcContainer
from app.settings import AppSettings
from contracts.avro_schemas import avro_schemas
from contracts.order_events import SCHEMAS
from contracts.topics import DATA_PLATFORM_GROUP, ORDER_EVENTS, TOPIC_CONFIG
from kits.kafka.admin import TopicAdmin, TopicSpec
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_watch import GroupWatch
from kits.kafka.producer import RecordProducer
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Enqueue
from kits.outbox.health import OutboxHealth
from kits.outbox.kafka_queue import kafka_queue
from kits.outbox.lifecycle import OutboxLifecycle
from kits.outbox.topics import OutboxTopics
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.session_lock import SessionLock
from kits.process.background import Supervisor
from kits.process.lifecycle import Lifecycle
from kits.resilience.clock import BootClock
from kits.resilience.rate_limit import rate_limiter
from kits.schemas.record_format import record_format
from kits.web.middleware.turns import Turns
from kits.web.tokens.jwks_url import JwksUrl
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import verifier_of

_MAX_EVENT_BYTES = 900_000
_MEANWHILE = "orders are accepted"


class Container(containers.DeclarativeContainer):
    """Everything that serving needs; nothing is contacted until `lifecycle().start()`."""

    settings = providers.Dependency(instance_of=AppSettings)
    _database = settings.provided.database
    history = providers.Singleton(History, "app", schema=_database.schema, made=(shop, outbox_tables))
    metrics = providers.Singleton(Metrics)
    app_metrics = providers.Singleton(AppMetrics, metrics)
    new_id = providers.Object(make_id)

    engines = providers.Container(EngineContainer, database=_database)

    # Kafka
    _brokers = {  # noqa: RUF012 - providers, wired once
        "bootstrap_servers": settings.provided.kafka.bootstrap_servers,
        "security": settings.provided.kafka,
        "client_id": CLIENT_ID,
    }
    producer = providers.Singleton(RecordProducer, **_brokers)
    topic_admin = providers.Singleton(TopicAdmin, **_brokers)
    group_watch = providers.Singleton(
        GroupWatch, group=DATA_PLATFORM_GROUP, topics=[ORDER_EVENTS], **_brokers
    )
    delivery_watch = providers.Singleton(
        DeliveryWatch,
        providers.Factory(SessionLock, engines.background, "delivery watch", schema=_database.schema),
        group_watch,
        providers.Factory(GroupMetrics, metrics),
        providers.Factory(Supervisor),
    )

    # Outbox: an ordered queue from the orders' transactions to Kafka
    clock = providers.Singleton(BootClock)
    _outbox_table = providers.Singleton(outbox_queue, _database.schema)
    # Who this process is, anew at each of its starts.
    _holder = {  # noqa: RUF012 - providers, wired once
        "token": providers.Singleton(make_id),
        "lease": providers.Singleton(Lease, settings.provided.outbox.lease_seconds),
        "clock": clock,
    }
    outbox = providers.Factory(SqlOutbox, enqueue=providers.Singleton(Enqueue, _outbox_table, **_holder))
    outbox_store = providers.Singleton(
        OutboxStore,
        engines.background,
        _outbox_table,
        **_holder,
        retention_days=settings.provided.outbox.retention_days,
    )
    record_format = providers.Singleton(
        record_format, settings, engines.background, known_schema, providers.Callable(avro_schemas, SCHEMAS)
    )
    ordered_queue = providers.Singleton(
        kafka_queue,
        producer,
        outbox_store,
        record_format=record_format,
        lease=_holder["lease"],
        clock=clock,
        metrics=metrics,
    )
    outbox_lifecycle = providers.Singleton(
        OutboxLifecycle,
        supervisor=providers.Factory(Supervisor),
        producer=producer,
        topics=providers.Factory(
            OutboxTopics,
            topic_admin,
            producer,
            providers.List(
                providers.Factory(
                    TopicSpec, ORDER_EVENTS, settings.provided.order.events_partitions, config=TOPIC_CONFIG
                )
            ),
            max_event_bytes=_MAX_EVENT_BYTES,
            meanwhile=_MEANWHILE,
        ),
        record_format=record_format,
        queue=ordered_queue,
    )

    # Use cases
    event_bus = providers.Singleton(
        EventBus,
        providers.List(
            providers.Factory(
                DataPlatformEventListener,
                providers.Factory(OrderContracts, new_id),
                ordered_queue,
                max_event_bytes=_MAX_EVENT_BYTES,
            )
        ),
    )
    transactions = providers.Singleton(SqlTransactions, engines.orders, event_bus, outbox.provider)
    _terms = {  # noqa: RUF012 - providers, wired once
        "time_to_live": providers.Factory(timedelta, seconds=settings.provided.order.ttl_seconds),
        "max_open_orders": settings.provided.max_open_orders,
    }
    order_facade = providers.Singleton(OrderFacade, transactions, app_metrics, **_terms)
    order_intake = providers.Singleton(
        OrderIntake,
        order_facade.provided.create_orders,
        providers.Factory(HeldRows, transactions),
        queue_size=settings.provided.intake.queue_size,
        one_batch_per_customer=providers.Callable(bool, settings.provided.max_open_orders),
    )
    order_door = providers.Container(
        RpcContainer,
        is_open=settings.provided.orders_rpc,
        brokers=providers.Dict(_brokers),
        order_intake=order_intake,
        new_id=new_id,
        metrics=metrics,
    )
    changes = providers.Singleton(SqlTransactions, engines.changes, event_bus, outbox.provider)
    order_life = providers.Singleton(OrderLife, changes, app_metrics)
    order_expiry = providers.Singleton(OrderExpiry, order_life, providers.Factory(Supervisor))
    _breakers = ordered_queue.provided.counts.breakers
    members = providers.Singleton(member_directory, settings.provided.member_api, clock, metrics, _breakers)
    _reader = providers.Factory(SqlOrderReader, engines.reads)
    order_queries = providers.Singleton(OrderQueries, _reader, members, app_metrics)
    order_quotes = providers.Singleton(
        OrderQuotes, providers.Factory(SqlOfferReader, engines.reads), **_terms
    )
    catalogue = providers.Container(
        CatalogueContainer, engine=engines.catalogue, readers=engines.reads, new_id=new_id
    )
    jwks_url = providers.Singleton(JwksUrl, settings.provided.jwt.jwks_url, providers.Factory(Supervisor))

    # What raises events stops before what publishes them.
    lifecycle = providers.Singleton(
        Lifecycle,
        providers.List(
            engines.pools,
            outbox_lifecycle,
            delivery_watch,
            jwks_url,
            members,
            providers.Factory(
                KeyRetention,
                providers.Factory(SqlIdempotencyKeys, engines.background),
                providers.Factory(Supervisor),
            ),
            order_expiry,
        ),
    )

    # Doors
    token_verifier = providers.Singleton(verifier_of, settings.provided.jwt, jwks_url)
    refused_tokens = providers.Singleton(RefusedTokens, metrics)
    turns = providers.Singleton(Turns)
    rate_limiter = providers.Singleton(rate_limiter, settings.provided.rate_limit.per_second)
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth,
                engines.health,
                history,
                providers.Callable(shop_write_probe, outbox_event),
                migrate_command=MIGRATE_COMMAND,
            ),
            providers.Factory(OutboxHealth, ordered_queue.provided.breaker, producer, meanwhile=_MEANWHILE),
            record_format,
            token_verifier,
            members,
        ),
    )
