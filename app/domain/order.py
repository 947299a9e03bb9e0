"""Domain: an order, as it is placed and as it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.coupon import Coupon
from app.domain.errors import (
    InvalidRequestError,
    InvalidTransitionError,
    MixedCurrenciesError,
    PaymentTooLateError,
)
from app.domain.product import Product


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "PENDING"
    PAID = "PAID"
    FULFILLED = "FULFILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


TRANSITIONS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.EXPIRED}),
    OrderStatus.PAID: frozenset({OrderStatus.FULFILLED}),
    OrderStatus.FULFILLED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.EXPIRED: frozenset(),
}
"""Where an order may go from where it stands; nothing else is possible."""

RELEASING = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})
"""Where an order holds its pieces and its coupon use no longer."""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One product of an order, with name and unit price (minor units) as they were when it was placed."""

    product_id: str
    name: str
    unit_price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order at one version; discount + total = subtotal, all in minor units of `currency`.

    `client_reference` is the customer's own name for it; no other order of theirs has it.
    """

    id: str
    customer_id: str
    status: OrderStatus
    version: int
    currency: str
    subtotal: int
    discount: int
    total: int
    coupon_code: str | None
    lines: tuple[OrderLine, ...]
    created_at: datetime
    expires_at: datetime
    client_reference: str | None = None

    @staticmethod
    def place(
        *,
        order_id: str,
        customer_id: str,
        selection: Sequence[tuple[Product, int]],
        now: datetime,
        time_to_live: timedelta,
        client_reference: str | None = None,
    ) -> "Order":
        """A PENDING order (version 1) over these products and quantities, which must be in stock.

        Raises:
            OutOfStockError: a product has too few pieces left.
            MixedCurrenciesError, InvalidRequestError: these products do not make one order.
        """
        order = Order.priced(
            order_id=order_id,
            customer_id=customer_id,
            selection=selection,
            now=now,
            time_to_live=time_to_live,
            client_reference=client_reference,
        )
        for product, quantity in selection:
            product.require(quantity)
        return order

    @staticmethod
    def priced(
        *,
        order_id: str,
        customer_id: str,
        selection: Sequence[tuple[Product, int]],
        now: datetime,
        time_to_live: timedelta,
        client_reference: str | None = None,
    ) -> "Order":
        """As `place`, whatever is in stock.

        Raises:
            MixedCurrenciesError, InvalidRequestError: these products do not make one order.
        """
        if not selection or any(quantity < 1 for _, quantity in selection):
            raise InvalidRequestError("An order needs at least one line, and each line at least one piece.")
        if len({product.id for product, _ in selection}) < len(selection):
            raise InvalidRequestError("An order names each product once.")
        currencies = sorted({product.currency for product, _ in selection})
        if len(currencies) > 1:
            raise MixedCurrenciesError(
                f"One order, one currency; these are priced in {', '.join(currencies)}."
            )
        lines = [
            OrderLine(product.id, product.name, product.price, quantity) for product, quantity in selection
        ]
        subtotal = sum([line.unit_price * line.quantity for line in lines])
        return Order(
            id=order_id,
            customer_id=customer_id,
            status=OrderStatus.PENDING,
            version=1,
            currency=currencies[0],
            subtotal=subtotal,
            discount=0,
            total=subtotal,
            coupon_code=None,
            lines=tuple(lines),
            created_at=now,
            expires_at=now + time_to_live,
            client_reference=client_reference,
        )

    def discounted_by(self, coupon: Coupon) -> "Order":
        """The same order with the coupon's discount taken off.

        Raises:
            OrderError: the coupon does not apply to this order.
        """
        discount = coupon.discount_on(
            self.subtotal, self.currency, customer_id=self.customer_id, now=self.created_at
        )
        return replace(self, discount=discount, total=self.subtotal - discount, coupon_code=coupon.code)

    def moved_to(self, status: OrderStatus, *, now: datetime) -> "Order":
        """The same order one version later, at `status`.

        That an order expires no earlier than its time is up to the caller, who has found it overdue.

        Raises:
            InvalidTransitionError: the table has no such transition.
            PaymentTooLateError: it is to be PAID and its time is over: it must become EXPIRED instead.
        """
        if status not in TRANSITIONS[self.status]:
            raise InvalidTransitionError(self.status, status)
        if status is OrderStatus.PAID and now >= self.expires_at:
            raise PaymentTooLateError
        return replace(self, status=status, version=self.version + 1)

    def with_payment_refused(self) -> "Order":
        """The same order one version later, where it stands: a payment that it does not take has a number."""
        return replace(self, version=self.version + 1)

    def as_it_was(self, status: OrderStatus, version: int) -> "Order":
        """The same order as it was when it stood at `status` and `version`: nothing else of it changes."""
        return replace(self, status=status, version=version)
