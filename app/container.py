"""The one place where the objects of the order service are built."""

from datetime import timedelta

from dependency_injector import containers, providers
from uuid_utils import uuid7

from app.application.catalogue_import import CatalogueImport
from app.application.held_rows import HeldRows
from app.application.order_contracts import OrderContracts
from app.application.order_expiry import OrderExpiry
from app.application.order_facade import OrderFacade
from app.application.order_intake import OrderIntake
from app.application.order_life import OrderLife
from app.application.order_listeners import DataPlatformEventListener
from app.application.order_queries import OrderQueries
from app.application.stock_keeping import StockKeeping
from app.application.transactional_events import EventBus
from app.metrics import AppMetrics
from app.outbox.breaker import PublishBreaker
from app.outbox.health import BacklogMeter, OutboxHealth
from app.outbox.lifecycle import OutboxLifecycle
from app.outbox.operations import OutboxOperations
from app.outbox.publisher import OutboxPublisher
from app.outbox.recorder import SqlOutbox
from app.outbox.relay import OutboxRelay
from app.outbox.retention import OutboxRetention
from app.outbox.store import OutboxStore
from app.outbox.table import outbox as outbox_tables
from app.outbox.table import outbox_event
from app.outbox.topic import OutboxTopic
from app.outbox.write_back import WriteBack
from app.persistence.catalogue import SqlCatalogue
from app.persistence.catalogue_work import SqlCatalogueTransactions
from app.persistence.idempotency import SqlIdempotencyKeys
from app.persistence.key_retention import KeyRetention
from app.persistence.queries import SqlOrderReader
from app.persistence.storage_errors import MIGRATE_COMMAND
from app.persistence.tables import shop
from app.persistence.unit_of_work import SqlTransactions
from app.persistence.write_probe import shop_write_probe
from app.settings import AppSettings, DatabaseCommandSettings
from kits.kafka.admin import TopicAdmin
from kits.kafka.producer import RecordProducer
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.postgres.engine import EnginePools, create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.schema import DECLARED_SCHEMA
from kits.process.background import Supervisor
from kits.process.lifecycle import Lifecycle
from kits.resilience.rate_limit import rate_limiter
from kits.web.middleware.turns import Turns
from kits.web.tokens.jwks_url import JwksUrl
from kits.web.tokens.keys_health import TokenKeysHealth
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import TokenVerifier

_CLIENT_ID = "order-api"
_MAX_EVENT_BYTES = 900_000
_MAX_HELD = 10_000
_MAX_PENDING = 8_000
_STALLED_SECONDS = 2.0
_READ_WAIT_SECONDS = 2.0
# Write-back, relay, meter and the two retentions, of which the last three are rare and may wait.
_BACKGROUND_CONNECTIONS = 3


def _new_id() -> str:
    return str(uuid7())


class DatabaseContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=DatabaseCommandSettings)
    _database = settings.provided.database
    engine = providers.Singleton(
        create_engine,
        _database.url,
        application_name=_CLIENT_ID,
        pool_size=_database.pool_size,
        schemas=providers.Dict({DECLARED_SCHEMA: _database.schema}),
    )
    history = providers.Singleton(History, "app", schema=_database.schema, made=(shop, outbox_tables))
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)
    new_id = providers.Object(_new_id)
    catalogue = providers.Singleton(SqlCatalogue, engine)
    catalogue_transactions = providers.Singleton(SqlCatalogueTransactions, engine)
    catalogue_import = providers.Singleton(CatalogueImport, catalogue_transactions, new_id)
    stock_keeping = providers.Singleton(StockKeeping, catalogue_transactions)
    outbox_operations = providers.Singleton(OutboxOperations, engine, new_id)


class Container(containers.DeclarativeContainer):
    """Everything that serving needs; nothing is contacted until `lifecycle().start()`."""

    settings = providers.Dependency(instance_of=AppSettings)
    _database = settings.provided.database
    history = providers.Singleton(History, "app", schema=_database.schema, made=(shop, outbox_tables))
    metrics = providers.Singleton(Metrics)
    app_metrics = providers.Singleton(AppMetrics, metrics)
    new_id = providers.Object(_new_id)

    # Each kind of work has connections of its own: none can take those that another one needs.
    _pool = providers.Factory(
        create_engine,
        _database.url,
        application_name=_CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: _database.schema}),
    )
    engine = providers.Singleton(_pool, pool_size=_database.pool_size)
    change_engine = providers.Singleton(_pool, pool_size=_database.pool_size)
    read_engine = providers.Singleton(
        _pool, pool_size=_database.read_pool_size, wait_seconds=_READ_WAIT_SECONDS
    )
    background_engine = providers.Singleton(_pool, pool_size=_BACKGROUND_CONNECTIONS)
    health_engine = providers.Singleton(_pool, pool_size=1)
    pools = providers.Singleton(
        EnginePools,
        providers.List(engine, change_engine, read_engine, background_engine, health_engine),
    )

    # Kafka
    producer = providers.Singleton(
        RecordProducer,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=_CLIENT_ID,
    )
    topic_admin = providers.Singleton(
        TopicAdmin,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=_CLIENT_ID,
    )

    # Outbox
    outbox_store = providers.Singleton(
        OutboxStore, background_engine, lease_seconds=settings.provided.outbox.lease_seconds
    )
    outbox = providers.Factory(SqlOutbox, lease_seconds=settings.provided.outbox.lease_seconds)
    write_back = providers.Singleton(
        WriteBack, outbox_store, app_metrics, lease_seconds=settings.provided.outbox.lease_seconds
    )
    publisher = providers.Singleton(
        OutboxPublisher,
        write_back,
        producer,
        providers.Factory(PublishBreaker, stalled_seconds=_STALLED_SECONDS, max_pending=_MAX_PENDING),
        max_held=_MAX_HELD,
    )
    relay = providers.Singleton(OutboxRelay, outbox_store, publisher)
    outbox_lifecycle = providers.Singleton(
        OutboxLifecycle,
        supervisor=providers.Factory(Supervisor),
        producer=producer,
        topic=providers.Factory(
            OutboxTopic,
            topic_admin,
            producer,
            partitions=settings.provided.order.events_partitions,
            max_event_bytes=_MAX_EVENT_BYTES,
        ),
        write_back=write_back,
        relay=relay,
        meter=providers.Factory(BacklogMeter, outbox_store, app_metrics),
        retention=providers.Factory(
            OutboxRetention, outbox_store, days=settings.provided.outbox.retention_days
        ),
    )

    # Use cases
    event_bus = providers.Singleton(
        EventBus,
        providers.List(
            providers.Factory(
                DataPlatformEventListener,
                providers.Factory(OrderContracts, new_id),
                publisher,
                max_event_bytes=_MAX_EVENT_BYTES,
            )
        ),
    )
    transactions = providers.Singleton(SqlTransactions, engine, event_bus, outbox.provider)
    order_facade = providers.Singleton(
        OrderFacade,
        transactions,
        app_metrics,
        time_to_live=providers.Factory(timedelta, seconds=settings.provided.order.ttl_seconds),
        max_open_orders=settings.provided.max_open_orders,
    )
    order_intake = providers.Singleton(
        OrderIntake,
        order_facade.provided.create_orders,
        providers.Factory(HeldRows, transactions),
        queue_size=settings.provided.intake.queue_size,
        one_batch_per_customer=providers.Callable(bool, settings.provided.max_open_orders),
    )
    changes = providers.Singleton(SqlTransactions, change_engine, event_bus, outbox.provider)
    order_life = providers.Singleton(OrderLife, changes, app_metrics)
    order_expiry = providers.Singleton(OrderExpiry, order_life, providers.Factory(Supervisor))
    order_queries = providers.Singleton(OrderQueries, providers.Factory(SqlOrderReader, read_engine))
    jwks_url = providers.Singleton(JwksUrl, settings.provided.jwt.jwks_url, providers.Factory(Supervisor))

    # What raises events stops before what publishes them.
    lifecycle = providers.Singleton(
        Lifecycle,
        providers.List(
            pools,
            outbox_lifecycle,
            jwks_url,
            providers.Factory(
                KeyRetention,
                providers.Factory(SqlIdempotencyKeys, background_engine),
                providers.Factory(Supervisor),
            ),
            order_expiry,
        ),
    )

    # Doors
    token_verifier = providers.Singleton(
        TokenVerifier,
        issuer=settings.provided.jwt.issuer,
        audience=settings.provided.jwt.audience,
        token_type=settings.provided.jwt.type,
        max_lifetime_seconds=settings.provided.jwt.max_lifetime_seconds,
        secret=settings.provided.jwt.secret,
        jwks_file=settings.provided.jwt.jwks_file,
        jwks_url=jwks_url,
    )
    refused_tokens = providers.Singleton(RefusedTokens, metrics)
    turns = providers.Singleton(Turns)
    rate_limiter = providers.Singleton(rate_limiter, settings.provided.rate_limit.per_second)
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth,
                health_engine,
                history,
                providers.Callable(shop_write_probe, outbox_event),
                migrate_command=MIGRATE_COMMAND,
            ),
            providers.Factory(OutboxHealth, publisher, producer),
            providers.Factory(TokenKeysHealth, token_verifier),
        ),
    )
