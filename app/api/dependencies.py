"""What the doors ask for by name; the application hands it in from its container.

A handler asks for one thing: the framework would resolve two of them in a task group, for every request.
"""

from dataclasses import dataclass

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from app.application.catalogue_keeping import CatalogueKeeping
from app.application.catalogue_queries import CatalogueQueries
from app.application.order_intake import OrderIntake
from app.application.order_life import OrderLife
from app.application.order_queries import OrderQueries
from app.application.order_quotes import OrderQuotes
from app.application.ports import NewId
from app.application.stock_keeping import StockKeeping


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """What placing an order takes."""

    order_intake: OrderIntake
    new_id: NewId


@dataclass(frozen=True, slots=True)
class CatalogueDesk:
    """What keeping the catalogue takes."""

    keeping: CatalogueKeeping
    stock: StockKeeping
    queries: CatalogueQueries
    new_id: NewId


@dataclass(frozen=True, slots=True)
class PaymentEntry:
    """What paying an order takes; with `self_pay` its customer may do so."""

    order_life: OrderLife
    self_pay: bool


# The container is typed; checking its objects again on every request would cost without finding anything.
GivenOrderEntry = NamedDependency[SkipValidation[OrderEntry]]
GivenPaymentEntry = NamedDependency[SkipValidation[PaymentEntry]]
GivenQueries = NamedDependency[SkipValidation[OrderQueries]]
GivenQuotes = NamedDependency[SkipValidation[OrderQuotes]]
GivenCatalogue = NamedDependency[SkipValidation[CatalogueDesk]]
GivenOrderLife = NamedDependency[SkipValidation[OrderLife]]
