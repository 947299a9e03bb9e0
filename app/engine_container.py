"""Where the order service's connections to its database are built."""

from dependency_injector import containers, providers

from app.command_container import CLIENT_ID
from kits.postgres.engine import DatabaseSettings, EnginePools, create_engine
from kits.postgres.schema import DECLARED_SCHEMA

_READ_WAIT_SECONDS = 2.0
# Write-back, relay, meter and the two retentions, of which the last three are rare and may wait; and the one
# that the delivery watch keeps.
_BACKGROUND_CONNECTIONS = 4
# Changes of the catalogue are done one at a time in the whole shop: one works, one waits for it.
_CATALOGUE_CONNECTIONS = 2


class EngineContainer(containers.DeclarativeContainer):
    """Each kind of work has connections of its own: none can take those that another one needs."""

    database = providers.Dependency(instance_of=DatabaseSettings)
    _settings = database.provided
    _pool = providers.Factory(
        create_engine,
        _settings.url,
        application_name=CLIENT_ID,
        schemas=providers.Dict({DECLARED_SCHEMA: _settings.schema}),
    )
    orders = providers.Singleton(_pool, pool_size=_settings.pool_size)
    changes = providers.Singleton(_pool, pool_size=_settings.pool_size)
    reads = providers.Singleton(_pool, pool_size=_settings.read_pool_size, wait_seconds=_READ_WAIT_SECONDS)
    catalogue = providers.Singleton(_pool, pool_size=_CATALOGUE_CONNECTIONS)
    background = providers.Singleton(_pool, pool_size=_BACKGROUND_CONNECTIONS)
    health = providers.Singleton(_pool, pool_size=1)
    pools = providers.Singleton(
        EnginePools, providers.List(orders, changes, reads, catalogue, background, health)
    )
