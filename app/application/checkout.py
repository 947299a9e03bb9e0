"""Use cases: what the commands of one transaction make of its locked rows, in plain objects."""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.application.commands import CreateOrder
from app.application.errors import Row, RowHeldError
from app.domain.coupon import Coupon
from app.domain.errors import CouponNotFoundError, OrderError, TooManyOpenOrdersError, UnknownProductError
from app.domain.order import Order
from app.domain.product import Product


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
    placed: list[tuple[Order, CreateOrder]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    def attempt(self, command: CreateOrder) -> Order | OrderError | RowHeldError:
        """The placed order, or why the shop refuses it, or what stands in its way."""
        if self.held and (in_the_way := command.rows & self.held):
            return RowHeldError(in_the_way)
        try:
            return self._place(command)
        except OrderError as refusal:
            return refusal

    def _place(self, command: CreateOrder) -> Order:
        customer_id = command.customer_id
        if self.max_open_orders and self.open_orders[customer_id] >= self.max_open_orders:
            raise TooManyOpenOrdersError(self.max_open_orders)
        selection = [(self._product(item.product_id), item.quantity) for item in command.items]
        order = Order.place(
            order_id=command.order_id,
            customer_id=customer_id,
            selection=selection,
            now=self.now,
            time_to_live=self.time_to_live,
        )
        if command.coupon_code:
            coupon = self._coupon(command.coupon_code)
            order = order.discounted_by(coupon)
            coupon.use(customer_id)
        # Nothing can refuse the order any more: only now does it touch what its neighbours share.
        for product, quantity in selection:
            product.take(quantity)
            self.taken[product.id] += quantity
        self.open_orders[customer_id] += 1
        self.placed.append((order, command))
        return order

    def _product(self, product_id: str) -> Product:
        if product_id not in self.products:
            raise UnknownProductError(product_id)
        return self.products[product_id]

    def _coupon(self, code: str) -> Coupon:
        if code not in self.coupons:
            raise CouponNotFoundError(f"There is no coupon {code}.", coupon=code)
        return self.coupons[code]
