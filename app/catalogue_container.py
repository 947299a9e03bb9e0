"""Where the objects are built that the staff's doors to the catalogue need."""

from typing import Any

from dependency_injector import containers, providers

from app.api.dependencies import CatalogueDesk
from app.application.catalogue_keeping import CatalogueKeeping
from app.application.catalogue_queries import CatalogueQueries
from app.application.ports import NewId
from app.application.stock_keeping import StockKeeping
from app.persistence.catalogue_reading import SqlCatalogueReader
from app.persistence.catalogue_work import SqlCatalogueTransactions


class CatalogueContainer(containers.DeclarativeContainer):
    """What changes the catalogue, on connections of its own, and what looks it up."""

    engine: providers.Dependency[Any] = providers.Dependency()
    readers: providers.Dependency[Any] = providers.Dependency()
    new_id: providers.Dependency[NewId] = providers.Dependency()
    transactions = providers.Singleton(SqlCatalogueTransactions, engine)
    reader = providers.Singleton(SqlCatalogueReader, readers)
    desk = providers.Singleton(
        CatalogueDesk,
        providers.Singleton(CatalogueKeeping, transactions, new_id),
        providers.Singleton(StockKeeping, transactions),
        providers.Singleton(CatalogueQueries, reader),
        new_id,
    )
