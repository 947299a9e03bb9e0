"""Use cases: the steps that every transition of orders has in common, inside its transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.application.held_rows import COUPON, PRODUCT, lock_free_rows
from app.application.ports import UnitOfWork
from app.domain.errors import PaymentRefusedError
from app.domain.events import moved
from app.domain.order import RELEASING, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class Step:
    """What a command did to its order, which it leaves as `order`; to be committed, also when refused.

    `moved` are the orders that changed their status by it. What was `replayed` changed nothing.
    """

    order: Order
    moved: Sequence[Order] = ()
    refusal: PaymentRefusedError | None = None
    replayed: bool = False


async def move_orders(
    orders: Sequence[Order], status: OrderStatus, *, uow: UnitOfWork, now: datetime, traceparent: str = ""
) -> list[Order]:
    """Move locked orders, release what they held if they end unpaid, raise their events; returns them moved.

    Locks what it needs beyond the orders: products, then coupons, each sorted.

    Raises:
        OrderError: one of them may not go there; nothing was written.
    """
    changed = [order.moved_to(status, now=now) for order in orders]
    if not changed:
        return []
    await uow.orders.update(changed)
    if status in RELEASING:
        await _release(changed, uow)
    for order in changed:
        uow.publish(moved(order, occurred_at=now), traceparent=traceparent)
    return changed


async def releasable(orders: Sequence[Order], uow: UnitOfWork) -> list[Order]:
    """Those of these locked orders whose products, coupons and uses nobody else holds; locks those of them.

    It never waits for a row.
    """
    named = {(PRODUCT, line.product_id) for order in orders for line in order.lines}
    with_coupon = {order.id: order.coupon_code for order in orders if order.coupon_code}
    held = await lock_free_rows(named | {(COUPON, code) for code in with_coupon.values()}, uow)
    held_uses = await uow.coupons.lock_free_uses(with_coupon) if with_coupon else set()
    return [
        order
        for order in orders
        if order.id not in held_uses
        and (COUPON, order.coupon_code) not in held
        and not any((PRODUCT, line.product_id) in held for line in order.lines)
    ]


async def _release(orders: Sequence[Order], uow: UnitOfWork) -> None:
    pieces: Counter[str] = Counter()
    for order in orders:
        pieces.update({line.product_id: line.quantity for line in order.lines})
    await uow.products.lock(pieces)
    await uow.products.release(pieces)
    used = {(order.coupon_code, order.customer_id) for order in orders if order.coupon_code}
    if used:
        await uow.coupons.lock(used)
        await uow.coupons.release([order for order in orders if order.coupon_code])
