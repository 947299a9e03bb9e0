"""Use cases: what the commands of one transaction make of its locked rows, in plain objects."""

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from app.application.client_references import References
from app.application.commands import CreateOrder
from app.application.errors import ReferenceHeldError, Row, RowHeldError, StorageBusyError
from app.domain.coupon import Coupon
from app.domain.errors import (
    ClientReferenceUsedError,
    CouponNotFoundError,
    OrderError,
    TooManyOpenOrdersError,
    UnknownProductError,
)
from app.domain.order import Order
from app.domain.product import Product


@dataclass(frozen=True, slots=True)
class Quote:
    """An order as it would be placed, and all that keeps it from being placed now; nothing: it can be.

    `stock` is what is left of each of its products. `coupon_refusal` is one of the refusals.
    """

    order: Order
    stock: Mapping[str, int]
    refusals: tuple[OrderError, ...]
    coupon_refusal: OrderError | None


@dataclass(slots=True)
class Checkout:
    """Products and coupons as they are locked; `placed` and `taken` are what has to be saved.

    `held` are the rows that somebody else has locked: who names one of them is not served now. `open_orders`
    counts the unpaid orders of each customer, if there is a limit to them.
    """

    products: Mapping[str, Product]
    coupons: Mapping[str, Coupon]
    now: datetime
    time_to_live: timedelta
    held: AbstractSet[Row] = frozenset()
    max_open_orders: int = 0
    open_orders: Counter[str] = field(default_factory=Counter)
    references: References = field(default_factory=References)
    placed: list[tuple[Order, CreateOrder]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    def attempt(self, command: CreateOrder) -> Order | OrderError | StorageBusyError:
        """The placed order, or why the shop refuses it, or what stands in its way."""
        if self.held and (in_the_way := command.rows & self.held):
            return RowHeldError(in_the_way)
        if command.reference in self.references.held:
            return ReferenceHeldError()
        try:
            return self._place(command)
        except OrderError as refusal:
            return refusal

    def quote(self, command: CreateOrder) -> Quote:
        """What `attempt` would make of it; its refusals are by the same rules. Nothing is taken.

        A coupon that does not apply takes nothing off.

        Raises:
            OrderError: no state of stock, coupon or customer could make it an order.
        """
        selection = self._selection(command)
        order = Order.priced(selection=selection, **self._terms(command))
        refusals: list[OrderError] = []
        with _gathered(refusals):
            self._require_new_reference(command)
        with _gathered(refusals):
            self._require_few_open_orders(command.customer_id)
        for product, quantity in selection:
            with _gathered(refusals):
                product.require(quantity)
        coupon_refusals: list[OrderError] = []
        with _gathered(coupon_refusals):
            order = self._discounted(order, command)
        return Quote(
            order,
            {product.id: product.stock for product, _ in selection},
            (*refusals, *coupon_refusals),
            next(iter(coupon_refusals), None),
        )

    def _place(self, command: CreateOrder) -> Order:
        customer_id = command.customer_id
        self._require_new_reference(command)
        self._require_few_open_orders(customer_id)
        selection = self._selection(command)
        order = Order.place(selection=selection, **self._terms(command))
        if command.coupon_code:
            order = self._discounted(order, command)
            self.coupons[command.coupon_code].use(customer_id)
        # Nothing can refuse the order any more: only now does it touch what its neighbours share.
        for product, quantity in selection:
            product.take(quantity)
            self.taken[product.id] += quantity
        self.open_orders[customer_id] += 1
        if command.reference:
            self.references.used[command.reference] = order.id
        self.placed.append((order, command))
        return order

    def _require_new_reference(self, command: CreateOrder) -> None:
        if command.reference in self.references.used:
            raise ClientReferenceUsedError(self.references.used[command.reference])

    def _require_few_open_orders(self, customer_id: str) -> None:
        if self.max_open_orders and self.open_orders[customer_id] >= self.max_open_orders:
            raise TooManyOpenOrdersError(self.max_open_orders)

    def _selection(self, command: CreateOrder) -> list[tuple[Product, int]]:
        return [(self._product(item.product_id), item.quantity) for item in command.items]

    def _terms(self, command: CreateOrder) -> dict[str, Any]:
        return {
            "order_id": command.order_id,
            "customer_id": command.customer_id,
            "now": self.now,
            "time_to_live": self.time_to_live,
            "client_reference": command.client_reference,
        }

    def _discounted(self, order: Order, command: CreateOrder) -> Order:
        return order.discounted_by(self._coupon(command.coupon_code)) if command.coupon_code else order

    def _product(self, product_id: str) -> Product:
        if product_id not in self.products:
            raise UnknownProductError(product_id)
        return self.products[product_id]

    def _coupon(self, code: str) -> Coupon:
        if code not in self.coupons:
            raise CouponNotFoundError(f"There is no coupon {code}.", coupon=code)
        return self.coupons[code]


@contextmanager
def _gathered(refusals: list[OrderError]) -> Iterator[None]:
    try:
        yield
    except OrderError as refusal:
        refusals.append(refusal)
