"""The shop on a real database, with a publisher that keeps what it was given."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from app.application.commands import CreateOrder, ReplayedOrder
from app.application.order_contracts import OrderContracts
from app.application.order_facade import OrderFacade
from app.application.order_life import OrderLife
from app.application.order_listeners import DataPlatformEventListener
from app.application.transactional_events import EventBus
from app.domain.coupon import Coupon
from app.domain.order import Order
from app.domain.product import Product
from app.metrics import AppMetrics
from app.outbox.recorder import SqlOutbox
from app.outbox.table import outbox_queue
from app.persistence.catalogue import SqlCatalogue
from app.persistence.unit_of_work import SqlTransactions
from kits.observability.metrics import Metrics
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.engine import create_engine
from kits.resilience.clock import BootClock
from tests.fakes import FakePublisher

LEASE_SECONDS = 60.0


def an_enqueue(token: str = "", *, lease_seconds: float = LEASE_SECONDS, schema: str = "public") -> Enqueue:
    """How a process records events; each has a token of its own."""
    lease = Lease(lease_seconds)
    return Enqueue(outbox_queue(schema), token=token or str(uuid4()), lease=lease, clock=BootClock())


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine as the service makes it."""
    engine = create_engine(database_url, application_name="test", pool_size=10)
    yield engine
    await engine.dispose()


@dataclass
class Shop:
    """The facade with everything behind it, and a look at its tables."""

    engine: AsyncEngine
    publisher: FakePublisher
    transactions: SqlTransactions
    facade: OrderFacade
    life: OrderLife

    async def stock(self, products: Sequence[Product], coupons: Sequence[Coupon] = ()) -> None:
        """Fill the shelves."""
        await SqlCatalogue(self.engine).add(products, coupons or [Coupon("NONE", kind="percent", value=1)])  # type: ignore[arg-type]

    async def place(self, command: CreateOrder) -> Order:
        """Place one order, or raise why not."""
        (outcome,) = await self.facade.create_orders([command])
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Order), outcome
        return outcome

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]


def moved(outcome: Order | ReplayedOrder) -> Order:
    """The order that was moved just now."""
    assert isinstance(outcome, Order)
    return outcome


@pytest.fixture
def publisher() -> FakePublisher:
    """Accepts everything."""
    return FakePublisher()


@pytest.fixture
def shop(engine: AsyncEngine, publisher: FakePublisher) -> Shop:
    """An empty shop."""
    return a_shop(engine, publisher)


def a_shop(
    engine: AsyncEngine,
    publisher: FakePublisher,
    *,
    time_to_live: timedelta = timedelta(minutes=15),
    max_open_orders: int = 0,
    enqueue: Enqueue | None = None,
) -> Shop:
    """A shop on this engine."""
    contracts = OrderContracts(lambda: str(uuid7()))
    listener = DataPlatformEventListener(contracts, publisher, max_event_bytes=900_000)
    transactions = SqlTransactions(
        engine, EventBus([listener]), partial(SqlOutbox, enqueue=enqueue or an_enqueue())
    )
    metrics = AppMetrics(Metrics())
    facade = OrderFacade(transactions, metrics, time_to_live=time_to_live, max_open_orders=max_open_orders)
    return Shop(engine, publisher, transactions, facade, OrderLife(transactions, metrics))
