"""Ports: what the use cases need from the world; adapters implement them by shape."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from app.application.commands import Reference
from app.application.key_ports import IdempotencyRepository
from app.domain.coupon import Coupon
from app.domain.events import OrderEvent
from app.domain.order import Order
from app.domain.payment import RecordedPayment
from app.domain.product import Product
from contracts.envelope import EventMessage


class NewId(Protocol):
    """Makes unique ids that sort by their time of birth (UUIDv7, RFC 9562), as text."""

    def __call__(self) -> str:
        """A fresh id."""
        ...


class OrderRepository(Protocol):
    """The orders."""

    async def add(self, orders: Sequence[Order]) -> None:
        """Insert orders, in one statement."""
        ...

    async def find(self, order_ids: Iterable[str]) -> Mapping[str, Order]:
        """Those of the orders that exist, by id."""
        ...

    async def lock_references(self, references: Iterable[Reference]) -> None:
        """Wait until no other transaction is placing orders with these, and keep others waiting."""
        ...

    async def lock_free_references(self, references: Iterable[Reference]) -> set[Reference]:
        """As above for those that are free, without waiting; returns the others."""
        ...

    async def find_references(self, references: Iterable[Reference]) -> Mapping[Reference, str]:
        """The ids of the orders that have one of these."""
        ...

    async def count_pending(self, customer_ids: Iterable[str]) -> Mapping[str, int]:
        """How many PENDING orders each of these customers has; those with none are left out."""
        ...

    async def lock(self, order_ids: Iterable[str]) -> Mapping[str, Order]:
        """Those of the orders that exist, by id; their rows locked in ascending id order."""
        ...

    async def lock_due(self, limit: int, *, besides: Iterable[str] = ()) -> Sequence[Order]:
        """Up to `limit` PENDING orders whose time is over, longest first; locked, without those that are.

        Without those `besides` too.
        """
        ...

    async def update(self, orders: Sequence[Order]) -> None:
        """Store status and version of locked orders, in one statement."""
        ...


class ProductRepository(Protocol):
    """The products, locked while an order takes from their stock."""

    async def lock(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Those of the products that exist, by id; their rows locked in ascending id order."""
        ...

    async def lock_free(self, product_ids: Iterable[str]) -> set[str]:
        """Lock those that are free, in ascending id order; the ids of those that somebody else holds."""
        ...

    async def take(self, pieces: Mapping[str, int]) -> None:
        """Take pieces out of the stock of locked products."""
        ...

    async def release(self, pieces: Mapping[str, int]) -> None:
        """Put pieces back into the stock of locked products."""
        ...


class CouponRepository(Protocol):
    """The coupons and their uses, locked while an order uses one."""

    async def lock(self, asked: Iterable[tuple[str, str]]) -> Mapping[str, Coupon]:
        """Coupons by code for (code, customer) pairs, with those customers' uses; locked in code order."""
        ...

    async def lock_free(self, codes: Iterable[str]) -> set[str]:
        """Lock those that are free, in code order; the codes of those that somebody else holds."""
        ...

    async def lock_free_uses(self, order_ids: Iterable[str]) -> set[str]:
        """Lock the uses of these orders that are free; the ids of those whose use somebody else holds."""
        ...

    async def use(self, orders: Sequence[Order]) -> None:
        """Record one use for each of these orders, which all have a coupon."""
        ...

    async def release(self, orders: Sequence[Order]) -> None:
        """Forget the uses of these orders, whose coupons are locked: they count against no limit any more."""
        ...


class PaymentRepository(Protocol):
    """The payments of orders, accepted and refused; each is written once and never changes."""

    async def find(self, provider: str, reference: str) -> RecordedPayment | None:
        """The payment that this provider names so."""
        ...

    async def add(self, payment: RecordedPayment) -> bool:
        """Insert one; False: another transaction has used the reference meanwhile, and nothing is stored."""
        ...


class Outbox(Protocol):
    """Events recorded in the transaction of what they tell about."""

    async def add(self, messages: Sequence[EventMessage], *, claimed: bool) -> None:
        """Record messages; `claimed` ones belong to this process for the length of a lease."""
        ...

    def claimed(self) -> Sequence[Any]:
        """The claims made by `add`, for the publisher; opaque here."""
        ...


class EventPublisher(Protocol):
    """Brings claimed events to Kafka, after the commit, without ever failing its caller."""

    def accepts(self) -> bool:
        """Whether new events may be claimed for it now; if not, the relay takes them later."""
        ...

    def offer(self, claims: Sequence[Any]) -> None:
        """Send these in the background. What can't be sent stays in the outbox."""
        ...


class UnitOfWork(Protocol):
    """One transaction and what belongs to it."""

    orders: OrderRepository
    products: ProductRepository
    coupons: CouponRepository
    payments: PaymentRepository
    idempotency: IdempotencyRepository
    outbox: Outbox

    async def now(self) -> datetime:
        """The database's clock, read once per transaction, so that all API hosts agree."""
        ...

    def publish(self, event: OrderEvent, *, traceparent: str) -> None:
        """Raise a domain event; listeners hear it before the commit and after it, never after a rollback."""
        ...


class Transactions(Protocol):
    """Opens units of work."""

    def __call__(self, *, hurried: bool = False) -> AbstractAsyncContextManager[UnitOfWork]:
        """Leaving the block commits, an exception rolls everything back.

        A lock is waited for at most 3 s; `hurried`, a few times as long as transactions take at present, 250
        ms at least: who waits holds what others need.

        Raises:
            StorageUnavailableError: whether it was committed is unknown.
            StorageBusyError, StorageConflictError, StorageRefusedError: nothing was committed.
        """
        ...
