"""Where the objects of the commands are built, those that only touch the database."""

from dependency_injector import containers, providers
from uuid_utils import uuid7

from app.application.catalogue_import import CatalogueImport
from app.application.stock_keeping import StockKeeping
from app.outbox.operations import OutboxOperations
from app.outbox.table import outbox as outbox_tables
from app.outbox.table import outbox_queue
from app.persistence.catalogue import SqlCatalogue
from app.persistence.catalogue_reading import SqlCatalogueReader
from app.persistence.catalogue_work import SqlCatalogueTransactions
from app.persistence.storage_errors import MIGRATE_COMMAND
from app.persistence.tables import shop
from app.settings import DatabaseCommandSettings
from kits.ordered_queue.actions import Actions
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from kits.postgres.readiness import DatabaseHealth
from kits.postgres.schema import DECLARED_SCHEMA
from kits.resilience.clock import BootClock

CLIENT_ID = "order-api"
# A command claims nothing.
_LEASE_SECONDS = 10.0


def make_id() -> str:
    """A fresh id that sorts by the time of its birth."""
    return str(uuid7())


class DatabaseContainer(containers.DeclarativeContainer):
    """What the commands need that only touch the database."""

    settings = providers.Dependency(instance_of=DatabaseCommandSettings)
    _database = settings.provided.database
    engine = providers.Singleton(
        create_engine,
        _database.url,
        application_name=CLIENT_ID,
        pool_size=_database.pool_size,
        schemas=providers.Dict({DECLARED_SCHEMA: _database.schema}),
    )
    history = providers.Singleton(History, "app", schema=_database.schema, made=(shop, outbox_tables))
    database_check = providers.Factory(DatabaseHealth, engine, history, migrate_command=MIGRATE_COMMAND)
    new_id = providers.Object(make_id)
    catalogue = providers.Singleton(SqlCatalogue, engine)
    catalogue_transactions = providers.Singleton(SqlCatalogueTransactions, engine)
    catalogue_reader = providers.Singleton(SqlCatalogueReader, engine)
    catalogue_import = providers.Singleton(CatalogueImport, catalogue_transactions, new_id)
    stock_keeping = providers.Singleton(StockKeeping, catalogue_transactions)
    _outbox_table = providers.Singleton(outbox_queue, _database.schema)
    _enqueue = providers.Singleton(
        Enqueue,
        _outbox_table,
        token=providers.Singleton(make_id),
        lease=providers.Object(Lease(_LEASE_SECONDS)),
        clock=providers.Singleton(BootClock),
    )
    outbox_operations = providers.Singleton(
        OutboxOperations, engine, _enqueue, providers.Singleton(Actions, _outbox_table), new_id
    )
