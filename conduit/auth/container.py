"""The one place where the objects of auth are built."""

from pathlib import Path

from dependency_injector import containers, providers
from uuid_utils import uuid7

from conduit.auth.controller import UserController
from conduit.auth.keys import AuthKeys
from conduit.auth.outbox import UserEventStore, event_tables, user_event, user_queue, user_topics
from conduit.auth.passwords import Passwords
from conduit.auth.service import Republishing, UserService
from conduit.auth.settings import CLIENT_ID, AuthDatabaseSettings
from conduit.auth.store import MIGRATE_COMMAND, SqlAccountReader, auth_tables, auth_write_probe, requests
from conduit.auth.transactions import PublishingLedger, UserTransactions
from kits.kafka.admin import TopicAdmin
from kits.kafka.producer import RecordProducer
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.ordered_queue.actions import Actions
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Enqueue
from kits.outbox.health import OutboxHealth
from kits.outbox.kafka_queue import kafka_queue
from kits.outbox.lifecycle import OutboxLifecycle
from kits.outbox.operations import VersionOperations
from kits.outbox.topics import OutboxTopics
from kits.postgres.engine import EnginePools, create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.request_ledger import RequestRetention, SqlRequestLedger
from kits.postgres.schema import DECLARED_SCHEMA
from kits.process.background import Supervisor
from kits.process.lifecycle import Lifecycle
from kits.resilience.clock import BootClock
from kits.rpc.health import RpcServerCheck
from kits.rpc.metrics import ServerMetrics
from kits.rpc.over_kafka import Brokers, rpc_producer, rpc_server
from kits.rpc.part import RpcPart
from kits.rpc_service.storage import RefusingLedger
from kits.schemas.as_recorded import AsRecorded

_MAX_EVENT_BYTES = 65_536
_MEANWHILE = "users are changed"
# Write-back, relay and meter; retention is rare and may wait.
_BACKGROUND = 3


def make_token() -> str:
    """Who this process is to the outbox."""
    return str(uuid7())


class CommandContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=AuthDatabaseSettings)
    place = settings.provided.conduit_auth
    pool = providers.Factory(
        create_engine,
        settings.provided.database_address,
        application_name=CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: place.database_schema}),
    )
    engine = providers.Singleton(pool, pool_size=place.pool_size)
    history = providers.Singleton(
        History,
        "conduit_auth",
        schema=place.database_schema,
        made=(auth_tables, event_tables),
        program="conduit auth",
    )
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)

    # The outbox, as far as transactions know it
    clock = providers.Singleton(BootClock)
    token = providers.Singleton(make_token)
    lease = providers.Singleton(Lease, settings.provided.outbox.lease_seconds)
    queue_table = providers.Singleton(user_queue, place.database_schema)
    actions = providers.Singleton(Actions, queue_table)
    enqueue = providers.Singleton(Enqueue, queue_table, token=token, lease=lease, clock=clock)
    operations = providers.Singleton(VersionOperations, engine, actions, user_event, user_event.c.key)
    republishing = providers.Singleton(
        Republishing, providers.Factory(UserTransactions, engine, enqueue, actions)
    )


class Container(CommandContainer):
    """Everything that serving needs (AuthSettings); nothing is contacted until `lifecycle().start()`."""

    settings = CommandContainer.settings
    place = CommandContainer.place
    engine = CommandContainer.engine
    clock = CommandContainer.clock
    token = CommandContainer.token
    lease = CommandContainer.lease
    queue_table = CommandContainer.queue_table
    metrics = providers.Singleton(Metrics)

    # Each kind of work has connections of its own: none can take those that another one needs.
    ledger_engine = providers.Singleton(CommandContainer.pool, pool_size=place.pool_size)
    background_engine = providers.Singleton(CommandContainer.pool, pool_size=_BACKGROUND)
    health_engine = providers.Singleton(CommandContainer.pool, pool_size=1)
    pools = providers.Singleton(
        EnginePools, providers.List(engine, ledger_engine, background_engine, health_engine)
    )

    # Kafka: replies are waited for, events are not
    _brokers = providers.Factory(
        Brokers,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )
    producer = providers.Singleton(rpc_producer, _brokers)
    event_producer = providers.Singleton(
        RecordProducer,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )
    topic_admin = providers.Singleton(
        TopicAdmin,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )

    # Outbox: an ordered queue from the changes' transactions to Kafka
    outbox_store = providers.Singleton(
        UserEventStore,
        background_engine,
        queue_table,
        token=token,
        lease=lease,
        clock=clock,
        retention_days=settings.provided.outbox.retention_days,
    )
    record_format = providers.Singleton(AsRecorded)
    ordered_queue = providers.Singleton(
        kafka_queue,
        event_producer,
        outbox_store,
        record_format=record_format,
        lease=lease,
        clock=clock,
        metrics=metrics,
    )
    outbox_lifecycle = providers.Singleton(
        OutboxLifecycle,
        supervisor=providers.Factory(Supervisor),
        producer=event_producer,
        topics=providers.Factory(
            OutboxTopics,
            topic_admin,
            event_producer,
            providers.Callable(user_topics),
            max_event_bytes=_MAX_EVENT_BYTES,
            meanwhile=_MEANWHILE,
        ),
        record_format=record_format,
        queue=ordered_queue,
    )

    # Use cases
    passwords = providers.Singleton(Passwords)
    keys = providers.Singleton(
        AuthKeys, providers.Factory(Path, place.keys_file), token_seconds=place.token_seconds
    )
    users = providers.Singleton(UserService, providers.Factory(SqlAccountReader, engine), passwords, keys)

    # Doors
    ledger = providers.Singleton(SqlRequestLedger, ledger_engine, requests)
    request_ledger = providers.Factory(
        PublishingLedger,
        providers.Factory(RefusingLedger, ledger),
        CommandContainer.enqueue,
        CommandContainer.actions,
        ordered_queue,
    )
    controllers = providers.List(providers.Factory(UserController, users))
    server = providers.Singleton(
        rpc_server,
        _brokers,
        producer,
        providers.Factory(ServerMetrics, metrics),
        controllers,
        group=CLIENT_ID,
        ledger=request_ledger,
        instance_id=place.member_id,
    )
    lifecycle = providers.Singleton(
        Lifecycle,
        providers.List(
            pools,
            providers.Singleton(RequestRetention, ledger, providers.Factory(Supervisor)),
            outbox_lifecycle,
            passwords,
            providers.Singleton(RpcPart, producer, server),
        ),
    )
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth,
                health_engine,
                CommandContainer.history,
                providers.Callable(auth_write_probe, user_event),
                migrate_command=MIGRATE_COMMAND,
            ),
            providers.Factory(RpcServerCheck, server, producer),
            providers.Factory(
                OutboxHealth, ordered_queue.provided.breaker, event_producer, meanwhile=_MEANWHILE
            ),
        ),
    )
