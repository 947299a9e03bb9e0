"""The one place where the objects of profiles are built."""

from dependency_injector import containers, providers

from conduit.profiles.controller import ProfileController
from conduit.profiles.directory import AuthDirectory
from conduit.profiles.service import ProfileService
from conduit.profiles.settings import CLIENT_ID, ProfilesDatabaseSettings
from conduit.profiles.store import MIGRATE_COMMAND, SqlPersons, profile_tables, profiles_write_probe, requests
from kits.observability.health import Health
from kits.observability.metrics import Metrics
from kits.postgres.engine import EnginePools, create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.request_ledger import RequestRetention, SqlRequestLedger
from kits.postgres.schema import DECLARED_SCHEMA
from kits.process.background import Supervisor
from kits.process.lifecycle import Lifecycle
from kits.resilience.breaker_gauge import BreakerGauge
from kits.resilience.clock import BootClock
from kits.rpc.health import RpcServerCheck
from kits.rpc.metrics import CallMetrics, ServerMetrics
from kits.rpc.neighbour import Neighbour
from kits.rpc.over_kafka import Brokers, rpc_client, rpc_producer, rpc_server
from kits.rpc.part import RpcPart
from kits.rpc_service.storage import RefusingLedger

_ASKING_SECONDS = 1.0


class CommandContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=ProfilesDatabaseSettings)
    place = settings.provided.conduit_profiles
    pool = providers.Factory(
        create_engine,
        settings.provided.database_address,
        application_name=CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: place.database_schema}),
    )
    engine = providers.Singleton(pool, pool_size=place.pool_size)
    history = providers.Singleton(
        History,
        "conduit_profiles",
        schema=place.database_schema,
        made=(profile_tables,),
        program="conduit profiles",
    )


class Container(CommandContainer):
    """Everything that serving needs (ProfilesSettings); nothing is contacted until `lifecycle().start()`."""

    settings = CommandContainer.settings
    place = CommandContainer.place
    engine = CommandContainer.engine
    metrics = providers.Singleton(Metrics)

    # Each kind of work has connections of its own: none can take those that another one needs.
    ledger_engine = providers.Singleton(CommandContainer.pool, pool_size=place.pool_size)
    health_engine = providers.Singleton(CommandContainer.pool, pool_size=1)
    pools = providers.Singleton(EnginePools, providers.List(engine, ledger_engine, health_engine))

    # Kafka
    _brokers = providers.Factory(
        Brokers,
        bootstrap_servers=settings.provided.kafka.bootstrap_servers,
        security=settings.provided.kafka,
        client_id=CLIENT_ID,
    )
    producer = providers.Singleton(rpc_producer, _brokers)
    client = providers.Singleton(rpc_client, _brokers, producer, providers.Factory(CallMetrics, metrics))
    auth = providers.Singleton(
        Neighbour,
        "auth",
        client,
        providers.Singleton(BootClock),
        providers.Factory(BreakerGauge, metrics),
        timeout_seconds=_ASKING_SECONDS,
    )

    # Use cases
    persons = providers.Singleton(SqlPersons, engine)
    profiles = providers.Singleton(ProfileService, persons, persons, providers.Factory(AuthDirectory, auth))

    # Doors
    ledger = providers.Singleton(SqlRequestLedger, ledger_engine, requests)
    request_ledger = providers.Factory(RefusingLedger, ledger)
    controllers = providers.List(providers.Factory(ProfileController, profiles))
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
            providers.Singleton(RpcPart, producer, client, server),
        ),
    )
    health = providers.Singleton(
        Health,
        providers.List(
            providers.Factory(
                DatabaseHealth,
                health_engine,
                CommandContainer.history,
                providers.Factory(profiles_write_probe),
                migrate_command=MIGRATE_COMMAND,
            ),
            providers.Factory(RpcServerCheck, server, producer),
            auth,
        ),
    )
