"""The objects of the worker's commands, which need its database alone."""

from dependency_injector import containers, providers

from contracts.avro_schemas import subjects
from contracts.topics import DATA_PLATFORM_GROUP, ORDER_EVENTS
from kits.kafka.group_watch import GroupWatch
from kits.kafka.log_reader import LogReader
from kits.ordered_queue.actions import Actions
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.schema import DECLARED_SCHEMA, metadata
from kits.schemas.known_schemas import SqlKnownSchemas, known_schema_table
from kits.schemas.reading import AvroReader
from kits.schemas.registry import registry_of
from worker.groups.member_rebuild import MemberRebuild
from worker.groups.topics import member_event
from worker.inbox.ledger.migration import LedgerMigration
from worker.inbox.operators.operations import InboxOperations
from worker.inbox.operators.stuck import StuckEvents
from worker.inbox.queue_table import inbox_queue
from worker.inbox.table import SCHEMA, inbox
from worker.settings import ADMIN_CLIENT_ID, CLIENT_ID, InboxSettings

MIGRATE_COMMAND = "python -m worker migrate"
SHOP_MIGRATE_COMMAND = "python -m app migrate"
# Receiving, write-back, looks, the group's row; copies, payloads, meter and retention are rare and may wait.
_CONNECTIONS = 8


class InboxContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the inbox's database. The group can be overridden, by tests."""

    settings = providers.Dependency(instance_of=InboxSettings)
    group = providers.Object(DATA_PLATFORM_GROUP)
    pool = providers.Factory(
        create_engine,
        settings.provided.inbox_url,
        application_name=CLIENT_ID,
        schemas=providers.Dict({SCHEMA: settings.provided.worker.database_schema}),
    )
    engine = providers.Singleton(pool, pool_size=_CONNECTIONS)
    history = providers.Singleton(
        History, "worker", schema=settings.provided.worker.database_schema, made=(inbox,)
    )
    ledger_migration = providers.Singleton(
        LedgerMigration, engine, group=group, schema=settings.provided.worker.database_schema
    )
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)


class InboxCommands(InboxContainer):
    """What the commands about the inbox need. Topic and group can be overridden, by tests too."""

    order_events = providers.Object(ORDER_EVENTS)
    stuck_events = providers.Singleton(
        StuckEvents,
        InboxContainer.engine,
        group=InboxContainer.group,
        gap_seconds=InboxContainer.settings.provided.worker.gap_wait_seconds,
    )
    actions = providers.Singleton(
        Actions, providers.Singleton(inbox_queue, InboxContainer.group, InboxContainer.engine)
    )
    operations = providers.Singleton(
        InboxOperations, InboxContainer.engine, actions, group=InboxContainer.group
    )


class PositionCommands(InboxCommands):
    """What `offsets` and `status` need: the inbox, and the group as the brokers see it."""

    watch = providers.Singleton(
        GroupWatch,
        bootstrap_servers=InboxCommands.settings.provided.kafka.bootstrap_servers,
        security=InboxCommands.settings.provided.kafka,
        client_id=ADMIN_CLIENT_ID,
        group=InboxCommands.group,
        topics=providers.List(InboxCommands.order_events),
        within_seconds=10.0,
    )


class MemberCommands(InboxContainer):
    """What `members` needs: the shop's database, and the members' topic; tests override the latter."""

    settings = InboxContainer.settings
    engine = providers.Singleton(
        create_engine,
        settings.provided.database.url,
        application_name=CLIENT_ID,
        pool_size=1,
        schemas=providers.Dict({DECLARED_SCHEMA: settings.provided.database.schema}),
    )
    database_check = providers.Factory(
        DatabaseHealth,
        engine,
        providers.Factory(History, "app", schema=settings.provided.database.schema),
        migrate_command=SHOP_MIGRATE_COMMAND,
    )
    member_event = providers.Callable(member_event, settings.provided.member_events.version)
    topic = providers.Callable(str, member_event)
    rebuild = providers.Factory(
        MemberRebuild,
        engine,
        providers.Factory(
            LogReader,
            bootstrap_servers=settings.provided.kafka.bootstrap_servers,
            security=settings.provided.kafka,
            client_id=ADMIN_CLIENT_ID,
        ),
        providers.Factory(
            AvroReader,
            "schemas_item_members",
            providers.Callable(registry_of, settings.provided.schema_registry),
            providers.Factory(
                SqlKnownSchemas,
                engine,
                providers.Callable(known_schema_table, providers.Callable(metadata), "outbox"),
                settings.provided.schema_registry.url,
            ),
            providers.Callable(subjects),
        ),
        topic=topic,
        event=member_event,
    )
