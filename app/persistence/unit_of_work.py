"""Persistence: one transaction, its repositories, its events; the only place of the shop that commits."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from app.application.key_ports import IdempotencyRepository
from app.application.ports import (
    CouponRepository,
    OrderRepository,
    Outbox,
    PaymentRepository,
    ProductRepository,
)
from app.application.transactional_events import EventBus, RaisedEvent
from app.domain.events import OrderEvent
from app.persistence.coupons import SqlCouponRepository
from app.persistence.idempotency import SqlIdempotencyRepository
from app.persistence.orders import SqlOrderRepository
from app.persistence.payments import SqlPaymentRepository
from app.persistence.products import SqlProductRepository
from app.persistence.storage_errors import storage_errors
from app.persistence.transaction_clock import TransactionClock
from kits.postgres.driver import DriverConnection, driver_transaction

_HURRIED_SECONDS = 0.25
_PATIENT_SECONDS = 3.0


class SqlUnitOfWork:
    """What one transaction works with. It does not commit itself: leaving its block does."""

    def __init__(self, connection: DriverConnection, outbox: Outbox) -> None:
        self._clock = TransactionClock(connection)
        self.orders: OrderRepository = SqlOrderRepository(connection)
        self.products: ProductRepository = SqlProductRepository(connection, self._clock)
        self.coupons: CouponRepository = SqlCouponRepository(connection)
        self.payments: PaymentRepository = SqlPaymentRepository(connection)
        self.idempotency: IdempotencyRepository = SqlIdempotencyRepository(connection)
        self.outbox = outbox
        self.events: list[RaisedEvent] = []

    async def now(self) -> datetime:
        """The database's clock, to the millisecond that the events carry."""
        return await self._clock.now()

    def publish(self, event: OrderEvent, *, traceparent: str) -> None:
        """Raise a domain event for the listeners of this transaction."""
        self.events.append(RaisedEvent(event, traceparent))


class Hurry:
    """How long a hurried transaction waits for a lock: eight times what transactions have taken lately.

    Longer than they need who queue for a product that is in demand, on this machine and at this hour; a row
    that is held for longer than that is held by somebody else.
    """

    def __init__(self) -> None:
        self._usual_seconds = 0.0

    @property
    def lock_seconds(self) -> float:
        """Between 250 ms and 3 s."""
        return min(_PATIENT_SECONDS, max(_HURRIED_SECONDS, 8 * self._usual_seconds))

    def took(self, seconds: float) -> None:
        """A transaction was committed; quick to grow, slow to shrink."""
        weight = 4 if seconds > self._usual_seconds else 64
        self._usual_seconds += (seconds - self._usual_seconds) / weight


class SqlTransactions:
    """Opens units of work: READ COMMITTED, committed by leaving the block, rolled back by any exception."""

    def __init__(
        self, engine: AsyncEngine, bus: EventBus, outbox: Callable[[DriverConnection], Outbox]
    ) -> None:
        self._engine = engine
        self._bus = bus
        self._outbox = outbox
        self._hurry = Hurry()

    @asynccontextmanager
    async def __call__(self, *, hurried: bool = False) -> AsyncIterator[SqlUnitOfWork]:
        """One transaction; listeners hear its events before the commit, and after it outside of any lock.

        Raises:
            StorageUnavailableError: no connection, or the outcome of the commit is unknown.
            StorageBusyError, StorageConflictError, StorageRefusedError: rolled back.
        """
        lock_seconds = self._hurry.lock_seconds if hurried else None
        with storage_errors():
            async with driver_transaction(self._engine, lock_seconds=lock_seconds) as connection:
                began = time.monotonic()
                uow = SqlUnitOfWork(connection, self._outbox(connection))
                yield uow
                await self._bus.before_commit(uow.events, uow)
            self._hurry.took(time.monotonic() - began)
        await self._bus.after_commit(uow.events, uow)
