"""Use cases: creates orders, one or many in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from logging import DEBUG

from app.application.batch_attempts import Outcome, attempt_batch
from app.application.checkout import Checkout
from app.application.client_references import references_of
from app.application.commands import CreateOrder, ReplayedOrder
from app.application.errors import Row, RowHeldError
from app.application.held_rows import COUPON, PRODUCT, lock_free_rows
from app.application.idempotency import answered_by_key, release_refused
from app.application.ports import Transactions, UnitOfWork
from app.domain.events import OrderCreatedEvent
from app.domain.order import Order
from app.metrics import AppMetrics
from kits.observability.logs import get_logger

log = get_logger(__name__)


class OrderFacade:
    """The door to the shop's one transaction: stock, order, coupon, save, event."""

    def __init__(
        self,
        transactions: Transactions,
        metrics: AppMetrics,
        *,
        time_to_live: timedelta,
        max_open_orders: int = 0,
    ) -> None:
        self._transactions = transactions
        self._metrics = metrics
        self._time_to_live = time_to_live
        self._max_open_orders = max_open_orders

    async def create_orders(self, commands: Sequence[CreateOrder]) -> list[Outcome]:
        """Create all that the shop accepts, in one transaction; the outcomes stand in the commands' order.

        A refused command changes nothing and does not disturb its neighbours. An Order among the outcomes is
        committed, and so is its event. A command whose key has an order already gets that one, replayed. One
        that names what another session holds gets a RowHeldError, a ReferenceHeldError or an
        IdempotencyKeyInUseError, and nothing of it is stored; its neighbours have their orders, a moment
        later than usual.

        Raises:
            StorageUnavailableError: which of them were committed is unknown.
            StorageBusyError, StorageConflictError: none was committed.
        """
        outcomes = await attempt_batch(commands, self._create, self._create_around_held)
        self._count(outcomes)
        return outcomes

    async def _create(self, commands: Sequence[CreateOrder], resumed: bool) -> list[Outcome]:
        return await self._transact(commands, resumed, careful=False)

    async def _create_around_held(self, commands: Sequence[CreateOrder], resumed: bool) -> list[Outcome]:
        return await self._transact(commands, resumed, careful=True)

    async def _transact(
        self, commands: Sequence[CreateOrder], resumed: bool, *, careful: bool
    ) -> list[Outcome]:
        # The careful one waits for no row: what it may still meet is a lock on a whole table.
        async with self._transactions(hurried=not careful) as uow:
            known = await answered_by_key(commands, uow, careful=careful)
            waiting = [command for command in commands if command.order_id not in known]
            checkout = await self._check_out(waiting, uow, careful)
            if resumed:
                # A former attempt may have committed before its connection was lost. Asked under the locks:
                # it has ended by now, one way or the other.
                known |= await uow.orders.find(command.order_id for command in commands)
            outcomes = [known.get(command.order_id) or checkout.attempt(command) for command in commands]
            for order, command in checkout.placed:
                uow.publish(OrderCreatedEvent(order), traceparent=command.traceparent)
            await _save(checkout, uow)
            await release_refused(commands, outcomes, uow)
        if log.is_enabled_for(DEBUG):
            for order, _ in checkout.placed:
                log.debug("order_created", order_id=order.id, total=order.total, currency=order.currency)
        return outcomes

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        created = sum(isinstance(outcome, Order) for outcome in outcomes)
        self._metrics.orders_created.inc(created)
        for outcome in outcomes if created < len(outcomes) else ():
            if isinstance(outcome, ReplayedOrder):
                self._metrics.orders_replayed.inc()
            elif not isinstance(outcome, Order | RowHeldError):
                self._metrics.orders.labels(outcome.code).inc()

    async def _check_out(self, commands: Sequence[CreateOrder], uow: UnitOfWork, careful: bool) -> Checkout:
        # The lock order that holds everywhere: keys, references, orders, products, coupons, each sorted.
        references = await references_of(commands, uow, careful=careful)
        ids = {item.product_id for command in commands for item in command.items}
        asked = {(command.coupon_code, command.customer_id) for command in commands if command.coupon_code}
        held: set[Row] = set()
        if careful:
            held = await lock_free_rows({row for command in commands for row in command.rows}, uow)
            ids = {product_id for product_id in ids if (PRODUCT, product_id) not in held}
            asked = {pair for pair in asked if (COUPON, pair[0]) not in held}
        products = await uow.products.lock(ids)
        coupons = await uow.coupons.lock(asked) if asked else {}
        checkout = Checkout(
            products, coupons, await uow.now(), self._time_to_live, held, references=references
        )
        if self._max_open_orders:
            checkout.max_open_orders = self._max_open_orders
            checkout.open_orders.update(
                await uow.orders.count_pending({command.customer_id for command in commands})
            )
        return checkout


async def _save(checkout: Checkout, uow: UnitOfWork) -> None:
    orders = [order for order, _ in checkout.placed]
    if not orders:
        return
    await uow.orders.add(orders)
    await uow.products.take(checkout.taken)
    with_coupon = [order for order in orders if order.coupon_code]
    if with_coupon:
        await uow.coupons.use(with_coupon)
