"""Persistence: one transaction, its repositories, its events; the only place of the shop that commits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.ports import (
    CouponRepository,
    IdempotencyRepository,
    OrderRepository,
    Outbox,
    ProductRepository,
)
from app.application.transactional_events import EventBus, RaisedEvent
from app.domain.events import OrderEvent
from app.persistence.coupons import SqlCouponRepository
from app.persistence.idempotency import SqlIdempotencyRepository
from app.persistence.orders import SqlOrderRepository
from app.persistence.products import SqlProductRepository
from app.persistence.storage_errors import storage_errors
from app.persistence.transaction_clock import TransactionClock
from kits.postgres.driver import DriverConnection, driver_transaction


class SqlUnitOfWork:
    """What one transaction works with. It does not commit itself: leaving its block does."""

    def __init__(self, connection: DriverConnection, outbox: Outbox) -> None:
        self._clock = TransactionClock(connection)
        self.orders: OrderRepository = SqlOrderRepository(connection)
        self.products: ProductRepository = SqlProductRepository(connection, self._clock)
        self.coupons: CouponRepository = SqlCouponRepository(connection)
        self.idempotency: IdempotencyRepository = SqlIdempotencyRepository(connection)
        self.outbox = outbox
        self.events: list[RaisedEvent] = []

    async def now(self) -> datetime:
        """The database's clock, to the millisecond that the events carry."""
        return await self._clock.now()

    def publish(self, event: OrderEvent, *, traceparent: str) -> None:
        """Raise a domain event for the listeners of this transaction."""
        self.events.append(RaisedEvent(event, traceparent))


class SqlTransactions:
    """Opens units of work: READ COMMITTED, committed by leaving the block, rolled back by any exception."""

    def __init__(
        self, engine: AsyncEngine, bus: EventBus, outbox: Callable[[DriverConnection], Outbox]
    ) -> None:
        self._engine = engine
        self._bus = bus
        self._outbox = outbox

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[SqlUnitOfWork]:
        """One transaction; listeners hear its events before the commit, and after it outside of any lock.

        Raises:
            StorageUnavailableError: no connection, or the outcome of the commit is unknown.
            StorageConflictError, StorageRefusedError: rolled back.
        """
        with storage_errors():
            async with driver_transaction(self._engine) as connection:
                uow = SqlUnitOfWork(connection, self._outbox(connection))
                yield uow
                await self._bus.before_commit(uow.events, uow)
        await self._bus.after_commit(uow.events, uow)
