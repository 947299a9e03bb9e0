"""The one place where the objects of the Member API are built."""

from dependency_injector import containers, providers
from uuid_utils import uuid7

from contracts.avro_schemas import avro_schemas
from contracts.member_events import (
    MEMBER_TOPIC_CONFIG,
    MEMBER_TOPIC_PARTITIONS,
    MEMBER_UPDATED_V1,
    MEMBER_UPDATED_V2,
    SCHEMAS,
)
from kits.kafka.admin import TopicAdmin, TopicSpec
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
from kits.postgres.schema import DECLARED_SCHEMA
from kits.process.background import Supervisor
from kits.process.lifecycle import Lifecycle
from kits.resilience.clock import BootClock
from kits.schemas.record_format import record_format
from kits.web.middleware.turns import Turns
from kits.web.tokens.jwks_url import JwksUrl
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import verifier_of
from services.members.metrics import MembersMetrics
from services.members.outbox.events import MemberEvents, MemberOutbox
from services.members.outbox.table import (
    MemberEventStore,
    event_tables,
    known_schema,
    member_event,
    member_queue,
)
from services.members.settings import CLIENT_ID, MembersDatabaseSettings
from services.members.store import (
    MIGRATE_COMMAND,
    SqlReader,
    SqlTransactions,
    member_tables,
    members_write_probe,
)
from services.members.users import Republishing, Users

PROGRAM = "services.members"
_MAX_EVENT_BYTES = 16_384
_MEANWHILE = "members are changed"
_CHANGES = 10
_READS = 5
_READ_WAIT_SECONDS = 2.0
# Write-back, relay and meter; retention is rare and may wait.
_BACKGROUND = 3


def make_id() -> str:
    """A fresh id that sorts by the time of its birth."""
    return str(uuid7())


def member_topics() -> list[TopicSpec]:
    """Both topics, whichever are written: readers of either find theirs."""
    topics = (MEMBER_UPDATED_V1, MEMBER_UPDATED_V2)
    return [TopicSpec(topic, MEMBER_TOPIC_PARTITIONS, config=MEMBER_TOPIC_CONFIG) for topic in topics]


class CommandContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=MembersDatabaseSettings)
    _place = settings.provided.members
    pool = providers.Factory(
        create_engine,
        settings.provided.members_url,
        application_name=CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: _place.database_schema}),
    )
    engine = providers.Singleton(pool, pool_size=_CHANGES)
    history = providers.Singleton(
        History, "members", schema=_place.database_schema, made=(member_tables, event_tables), program=PROGRAM
    )
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)

    # The outbox, as far as transactions know it
    clock = providers.Singleton(BootClock)
    token = providers.Singleton(make_id)
    lease = providers.Singleton(Lease, settings.provided.outbox.lease_seconds)
    queue_table = providers.Singleton(member_queue, _place.database_schema)
    actions = providers.Singleton(Actions, queue_table)
    outbox = providers.Factory(
        MemberOutbox,
        enqueue=providers.Singleton(Enqueue, queue_table, token=token, lease=lease, clock=clock),
        events=providers.Singleton(MemberEvents, publish_v1=_place.publish_v1),
        actions=actions,
    )
    transactions = providers.Singleton(SqlTransactions, engine, outbox.provider)
    operations = providers.Singleton(
        VersionOperations, engine, actions, member_event, member_event.c.member_id
    )
    republishing = providers.Singleton(Republishing, transactions)


class Container(CommandContainer):
    """Everything that serving needs (MembersSettings); nothing is contacted until `lifecycle().start()`."""

    settings = CommandContainer.settings
    metrics = providers.Singleton(Metrics)

    # Each kind of work has connections of its own: none can take those that another one needs.
    _pool = CommandContainer.pool
    engine = CommandContainer.engine
    read_engine = providers.Singleton(_pool, pool_size=_READS, wait_seconds=_READ_WAIT_SECONDS)
    background_engine = providers.Singleton(_pool, pool_size=_BACKGROUND)
    health_engine = providers.Singleton(_pool, pool_size=1)
    pools = providers.Singleton(
        EnginePools, providers.List(engine, read_engine, background_engine, health_engine)
    )

    # Kafka
    _brokers = {  # noqa: RUF012 - providers, wired once
        "bootstrap_servers": settings.provided.kafka.bootstrap_servers,
        "security": settings.provided.kafka,
        "client_id": CLIENT_ID,
    }
    producer = providers.Singleton(RecordProducer, **_brokers)
    topic_admin = providers.Singleton(TopicAdmin, **_brokers)
    topics = providers.Callable(member_topics)

    # Outbox: an ordered queue from the changes' transactions to Kafka
    outbox_store = providers.Singleton(
        MemberEventStore,
        background_engine,
        CommandContainer.queue_table,
        token=CommandContainer.token,
        lease=CommandContainer.lease,
        clock=CommandContainer.clock,
        retention_days=settings.provided.outbox.retention_days,
    )
    record_format = providers.Singleton(
        record_format, settings, background_engine, known_schema, providers.Callable(avro_schemas, SCHEMAS)
    )
    ordered_queue = providers.Singleton(
        kafka_queue,
        producer,
        outbox_store,
        record_format=record_format,
        lease=CommandContainer.lease,
        clock=CommandContainer.clock,
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
            topics,
            max_event_bytes=_MAX_EVENT_BYTES,
            meanwhile=_MEANWHILE,
        ),
        record_format=record_format,
        queue=ordered_queue,
    )

    # Use cases
    users = providers.Singleton(
        Users,
        CommandContainer.transactions,
        providers.Factory(SqlReader, read_engine),
        ordered_queue,
        providers.Factory(MembersMetrics, metrics),
    )
    jwks_url = providers.Singleton(JwksUrl, settings.provided.jwt.jwks_url, providers.Factory(Supervisor))
    lifecycle = providers.Singleton(Lifecycle, providers.List(pools, outbox_lifecycle, jwks_url))

    # Doors
    token_verifier = providers.Singleton(verifier_of, settings.provided.jwt, jwks_url)
    refused_tokens = providers.Singleton(RefusedTokens, metrics)
    turns = providers.Singleton(Turns)
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth,
                health_engine,
                CommandContainer.history,
                providers.Callable(members_write_probe, member_event),
                migrate_command=MIGRATE_COMMAND,
            ),
            providers.Factory(OutboxHealth, ordered_queue.provided.breaker, producer, meanwhile=_MEANWHILE),
            record_format,
            token_verifier,
        ),
    )
