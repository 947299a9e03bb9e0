"""Use cases: creates orders, one or many in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.application.batch_attempts import Outcome, attempt_batch
from app.application.commands import CreateOrder
from app.application.ports import Transactions, UnitOfWork
from app.domain.coupon import Coupon
from app.domain.errors import CouponNotFoundError, OrderError, UnknownProductError
from app.domain.events import OrderCreatedEvent
from app.domain.order import Order
from app.domain.product import Product
from app.metrics import AppMetrics
from kits.observability.logs import get_logger

log = get_logger(__name__)


class OrderFacade:
    """The door to the shop's one transaction: stock, order, coupon, save, event."""

    def __init__(self, transactions: Transactions, metrics: AppMetrics, *, time_to_live: timedelta) -> None:
        self._transactions = transactions
        self._metrics = metrics
        self._time_to_live = time_to_live

    async def create_order(self, command: CreateOrder) -> Order:
        """Create one order: a batch of one.

        Raises:
            OrderError: the shop refuses it. StorageError: see `create_orders`.
        """
        (outcome,) = await self.create_orders([command])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def create_orders(self, commands: Sequence[CreateOrder]) -> list[Outcome]:
        """Create all that the shop accepts, in one transaction; the outcomes stand in the commands' order.

        A refused command changes nothing and does not disturb its neighbours. An Order among the outcomes is
        committed, and so is its event.

        Raises:
            StorageUnavailableError, StorageConflictError: none of the outcomes is certain.
        """
        outcomes = await attempt_batch(commands, self._create)
        for outcome in outcomes:
            if isinstance(outcome, Order):
                self._metrics.orders_created.inc()
            else:
                self._metrics.orders_refused.labels(outcome.code).inc()
        return outcomes

    async def _create(self, commands: Sequence[CreateOrder], resumed: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with self._transactions() as uow:
            # A former attempt may have committed before its connection was lost.
            done = await uow.orders.find(command.order_id for command in commands) if resumed else {}
            waiting = [command for command in commands if command.order_id not in done]
            checkout = await self._check_out(waiting, uow)
            outcomes += [done.get(command.order_id) or checkout.attempt(command) for command in commands]
            for order, command in checkout.placed:
                uow.publish(OrderCreatedEvent(order), traceparent=command.traceparent)
            await _save(checkout, uow)
        for order, _ in checkout.placed:
            log.debug("order_created", order_id=order.id, total=order.total, currency=order.currency)
        return outcomes

    async def _check_out(self, commands: Sequence[CreateOrder], uow: UnitOfWork) -> "_Checkout":
        # The lock order that holds everywhere: products, then coupons, each sorted.
        products = await uow.products.lock(
            {item.product_id for command in commands for item in command.items}
        )
        asked = {(command.coupon_code, command.customer_id) for command in commands if command.coupon_code}
        coupons = await uow.coupons.lock(asked) if asked else {}
        return _Checkout(products, coupons, await uow.now(), self._time_to_live)


async def _save(checkout: "_Checkout", uow: UnitOfWork) -> None:
    orders = [order for order, _ in checkout.placed]
    if not orders:
        return
    await uow.orders.add(orders)
    await uow.products.take(checkout.taken)
    with_coupon = [order for order in orders if order.coupon_code]
    if with_coupon:
        await uow.coupons.use(with_coupon)


@dataclass(slots=True)
class _Checkout:
    """The locked rows of one transaction as plain objects, and what its commands make of them."""

    products: Mapping[str, Product]
    coupons: Mapping[str, Coupon]
    now: datetime
    time_to_live: timedelta
    placed: list[tuple[Order, CreateOrder]] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)

    def attempt(self, command: CreateOrder) -> Order | OrderError:
        """The placed order, or why the shop refuses it."""
        try:
            return self._place(command)
        except OrderError as refusal:
            return refusal

    def _place(self, command: CreateOrder) -> Order:
        selection = [(self._product(item.product_id), item.quantity) for item in command.items]
        order = Order.place(
            order_id=command.order_id,
            customer_id=command.customer_id,
            selection=selection,
            now=self.now,
            time_to_live=self.time_to_live,
        )
        if command.coupon_code:
            coupon = self._coupon(command.coupon_code)
            order = order.discounted_by(coupon)
            coupon.use(command.customer_id)
        # Nothing can refuse the order any more: only now does it touch what its neighbours share.
        for product, quantity in selection:
            product.take(quantity)
            self.taken[product.id] += quantity
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
