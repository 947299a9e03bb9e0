"""The one place where the worker's objects are built."""

from collections.abc import Sequence
from typing import Any

from dependency_injector import providers

from contracts.topics import DATA_PLATFORM_GROUP, ITEM_MEMBERS_GROUP
from kits.observability.health import Health, HealthCheck
from kits.postgres.engine import EnginePools, create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.schema import DECLARED_SCHEMA, metadata
from kits.schemas.known_schemas import known_schema_table
from kits.web.probes import ProbeServer
from worker.command_container import MIGRATE_COMMAND, SHOP_MIGRATE_COMMAND
from worker.data_platform_container import DataPlatformContainer
from worker.groups.member_replica import MemberReplica
from worker.groups.order_status import ORDER_STATUS_GROUP, OrderStatus
from worker.groups.topics import member_event, member_topics
from worker.inbox.health import inbox_probe
from worker.runner import Group, Runner
from worker.settings import CLIENT_ID

_SHOP_CONNECTIONS = 2


def chosen(offered: providers.Aggregate[Any], names: Sequence[str]) -> list[Any]:
    """What is offered under these names."""
    return [offered(name) for name in names]


def health_of(groups: Sequence[Group], databases: Sequence[HealthCheck]) -> Health:
    """All checks of the groups that run."""
    return Health([*databases, *(check for group in groups for check in group.checks())])


class Container(DataPlatformContainer):
    """What the consuming process needs; of each group only what is asked for by its name is built."""

    names: providers.Dependency[Sequence[str]] = providers.Dependency(default=(DATA_PLATFORM_GROUP,))
    settings = DataPlatformContainer.settings
    group = DataPlatformContainer.group
    engine = DataPlatformContainer.engine
    order_events = DataPlatformContainer.order_events
    dead_letter_topic = DataPlatformContainer.dead_letter_topic
    metrics = DataPlatformContainer.metrics
    data_platform_group = DataPlatformContainer.data_platform_group

    # cg-order and item-members: read models in the shop's database
    shop_engine = providers.Singleton(
        create_engine,
        settings.provided.database.url,
        application_name=CLIENT_ID,
        pool_size=_SHOP_CONNECTIONS,
        schemas=providers.Dict({DECLARED_SCHEMA: settings.provided.database.schema}),
    )
    _known_schemas = providers.Factory(
        DataPlatformContainer.known_schemas,
        shop_engine,
        providers.Callable(known_schema_table, providers.Callable(metadata), "outbox"),
    )
    order_status_group = providers.Singleton(
        DataPlatformContainer.watched_group,
        name=ORDER_STATUS_GROUP,
        values=providers.Singleton(
            DataPlatformContainer.record_values, "schemas_cg_order", known=_known_schemas
        ),
        handler=providers.Singleton(OrderStatus, shop_engine),
        watch=providers.Factory(DataPlatformContainer.watch, group=ORDER_STATUS_GROUP),
    )

    member_event = providers.Callable(member_event, settings.provided.member_events.version)
    member_topic = providers.Callable(str, member_event)
    member_replica_group = providers.Singleton(
        DataPlatformContainer.watched_group,
        name=ITEM_MEMBERS_GROUP,
        topic=member_topic,
        is_compacted=True,
        values=providers.Singleton(
            DataPlatformContainer.record_values, "schemas_item_members", known=_known_schemas
        ),
        handler=providers.Singleton(
            MemberReplica,
            shop_engine,
            event=member_event,
            left_out=DataPlatformContainer.consumer_metrics.provided.left_out.labels.call(ITEM_MEMBERS_GROUP),
        ),
        watch=providers.Factory(
            DataPlatformContainer.watch, group=ITEM_MEMBERS_GROUP, topics=providers.List(member_topic)
        ),
        topics=providers.Singleton(
            DataPlatformContainer.group_topics, providers.Callable(member_topics, member_topic)
        ),
    )

    # What runs
    groups: providers.Aggregate[Any] = providers.Aggregate(
        {
            DATA_PLATFORM_GROUP: data_platform_group,
            ORDER_STATUS_GROUP: order_status_group,
            ITEM_MEMBERS_GROUP: member_replica_group,
        }
    )
    _shop_pools = providers.Singleton(EnginePools, providers.List(shop_engine))
    _offered_pools = providers.Aggregate(
        {
            DATA_PLATFORM_GROUP: providers.Singleton(
                EnginePools, providers.List(engine, DataPlatformContainer.health_engine)
            ),
            ORDER_STATUS_GROUP: _shop_pools,
            ITEM_MEMBERS_GROUP: _shop_pools,
        }
    )
    _shop_database = providers.Singleton(
        DatabaseHealth,
        shop_engine,
        providers.Factory(History, "app", schema=settings.provided.database.schema),
        migrate_command=SHOP_MIGRATE_COMMAND,
        name="shop_database",
    )
    _databases = providers.Aggregate(
        {
            DATA_PLATFORM_GROUP: providers.Singleton(
                DatabaseHealth,
                DataPlatformContainer.health_engine,
                DataPlatformContainer.history,
                providers.Callable(inbox_probe, group),
                migrate_command=MIGRATE_COMMAND,
            ),
            ORDER_STATUS_GROUP: _shop_database,
            ITEM_MEMBERS_GROUP: _shop_database,
        }
    )
    _running = providers.Singleton(chosen, groups.provider, names)
    _needed = providers.Singleton(chosen, _databases.provider, names)
    pools = providers.Singleton(chosen, _offered_pools.provider, names)
    health = providers.Singleton(health_of, _running, _needed)
    runner = providers.Factory(
        Runner,
        groups=_running,
        databases=_needed,
        health=health,
        probes=providers.Factory(
            ProbeServer,
            health,
            metrics,
            host=settings.provided.worker.host,
            port=settings.provided.worker.port,
        ),
        pools=pools,
        database_wait_seconds=settings.provided.database.wait_seconds,
        drain_seconds=settings.provided.worker.drain_seconds,
    )
