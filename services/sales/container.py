"""The one place where the objects of the sales are built."""

from dependency_injector import containers, providers

from kits.kafka.admin import TopicAdmin
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_watch import GroupWatch
from kits.kafka.log_reader import LogReader
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.postgres.engine import EnginePools, create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.schema import DECLARED_SCHEMA
from kits.process.lifecycle import Lifecycle
from kits.web.middleware.turns import Turns
from kits.web.probes import ProbeServer
from services.sales.builds import CLIENT_ID, Build
from services.sales.metrics import StreamMetrics, TableMetrics
from services.sales.rebuild import Rebuild, Removal
from services.sales.settings import TableSettings
from services.sales.stream.process import EngineProcess
from services.sales.stream.runner import StreamRunner
from services.sales.stream.settings import StreamSettings
from services.sales.stream.watch import StreamTopics, StreamWatch
from services.sales.table.build_registry import BuildRegistry
from services.sales.table.followers import Followers, follower_of
from services.sales.table.storage_errors import MIGRATE_COMMAND
from services.sales.table.store import SalesStore
from services.sales.table.tables import sales_tables
from services.sales.table.verification import Verification

PROGRAM = "services.sales"
_WRITES = 4
_READS = 5
_READ_WAIT_SECONDS = 2.0


class StreamContainer(containers.DeclarativeContainer):
    """The streaming role: no database."""

    settings = providers.Dependency(instance_of=StreamSettings)
    metrics = providers.Singleton(Metrics)
    build = providers.Singleton(
        Build, settings.provided.sales_stream.build, settings.provided.sales_orders.topic
    )
    _brokers = {  # noqa: RUF012 - providers, wired once
        "bootstrap_servers": settings.provided.kafka.bootstrap_servers,
        "security": settings.provided.kafka,
        "client_id": CLIENT_ID,
    }
    stream_metrics = providers.Singleton(StreamMetrics, metrics)
    engine = providers.Singleton(EngineProcess, stream_metrics, providers.Object({}))
    watch = providers.Singleton(
        StreamWatch,
        providers.Factory(
            GroupWatch,
            **_brokers,
            group=build.provided.group,
            topics=providers.List(build.provided.source, build.provided.by_minute),
        ),
        engine,
        providers.Singleton(GroupMetrics, metrics),
        stream_metrics,
    )
    health = providers.Singleton(Health, providers.List(watch))
    runner = providers.Factory(
        StreamRunner,
        build=build,
        topics=providers.Factory(StreamTopics, providers.Factory(TopicAdmin, **_brokers), build),
        engine=engine,
        watch=watch,
        health=health,
        probes=providers.Factory(
            ProbeServer,
            health,
            metrics,
            host=settings.provided.sales_stream.host,
            port=settings.provided.sales_stream.port,
        ),
    )


class CommandContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=TableSettings)
    metrics = providers.Singleton(Metrics)
    _place = settings.provided.sales
    pool = providers.Factory(
        create_engine,
        settings.provided.sales_url,
        application_name=CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: _place.database_schema}),
    )
    engine = providers.Singleton(pool, pool_size=_WRITES)
    history = providers.Singleton(
        History, "sales", schema=_place.database_schema, made=(sales_tables,), program=PROGRAM
    )
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)
    store = providers.Singleton(SalesStore, engine)
    builds = providers.Singleton(BuildRegistry, engine)
    table_metrics = providers.Singleton(TableMetrics, metrics)


class Container(CommandContainer):
    """The serving role (SalesSettings); nothing is contacted until `lifecycle().start()`."""

    settings = CommandContainer.settings
    metrics = CommandContainer.metrics
    engine = CommandContainer.engine

    # Reads have connections of their own: none can take those that the followers need.
    read_engine = providers.Singleton(
        CommandContainer.pool, pool_size=_READS, wait_seconds=_READ_WAIT_SECONDS
    )
    health_engine = providers.Singleton(CommandContainer.pool, pool_size=1)
    pools = providers.Singleton(EnginePools, providers.List(engine, read_engine, health_engine))
    read_store = providers.Singleton(SalesStore, read_engine)
    followers = providers.Singleton(
        Followers,
        CommandContainer.builds,
        CommandContainer.store,
        CommandContainer.table_metrics,
        kafka=settings.provided.kafka,
        source=settings.provided.sales_orders.topic,
    )
    lifecycle = providers.Singleton(Lifecycle, providers.List(pools, followers))
    turns = providers.Singleton(Turns)
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth, health_engine, CommandContainer.history, migrate_command=MIGRATE_COMMAND
            ),
            followers,
        ),
    )


class VerifyContainer(CommandContainer):
    """What `verify` needs: two databases, which may be one."""

    settings = CommandContainer.settings
    shop_engine = providers.Singleton(
        create_engine,
        settings.provided.orders_url,
        application_name=CLIENT_ID,
        pool_size=1,
        schemas=providers.Dict({DECLARED_SCHEMA: settings.provided.database.schema}),
    )
    verification = providers.Singleton(Verification, CommandContainer.engine, shop_engine)


class RebuildContainer(CommandContainer):
    """What `rebuild` needs of one build (RebuildSettings)."""

    settings = CommandContainer.settings
    name = providers.Dependency(instance_of=str)
    _brokers = {  # noqa: RUF012 - providers, wired once
        "bootstrap_servers": settings.provided.kafka.bootstrap_servers,
        "security": settings.provided.kafka,
        "client_id": CLIENT_ID,
    }
    build = providers.Singleton(Build, name, settings.provided.sales_orders.topic)
    admin = providers.Factory(TopicAdmin, **_brokers)
    watch = providers.Singleton(
        GroupWatch,
        **_brokers,
        group=build.provided.group,
        topics=providers.List(build.provided.source, build.provided.by_minute),
    )
    rebuild = providers.Factory(
        Rebuild,
        build=build,
        builds=CommandContainer.builds,
        topics=providers.Factory(StreamTopics, admin, build),
        engine=providers.Factory(
            EngineProcess,
            providers.Singleton(StreamMetrics, CommandContainer.metrics),
            providers.Dict({"SALES_STREAM_BUILD": name}),
        ),
        watch=watch,
        follower=providers.Factory(
            follower_of,
            build,
            settings.provided.kafka,
            CommandContainer.store,
            CommandContainer.table_metrics,
        ),
        reader=providers.Factory(LogReader, **_brokers),
    )
    removal = providers.Factory(Removal, build, CommandContainer.builds, watch, admin)
