"""Persistence: coupons and their uses, locked while an order uses one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ARRAY, Integer, Text, bindparam, delete, func, select, update

from app.domain.coupon import Coupon, CouponKind
from app.domain.order import Order
from app.persistence.tables import coupon_uses, coupons
from kits.postgres.driver import DriverConnection, DriverStatement
from kits.postgres.row_locks import lock_free_rows
from kits.postgres.schema import as_document, insert_from_document, rows_from_document

_LOCK = DriverStatement(
    select(coupons)
    .where(coupons.c.code == func.any(bindparam("codes", type_=ARRAY(Text))))
    .order_by(coupons.c.code)
    .with_for_update()
)
_LOCK_FREE = lock_free_rows(coupons.c.code)
_LOCK_FREE_USES = lock_free_rows(coupon_uses.c.order_id)
_asked = rows_from_document("asked", coupon_code=Text(), customer_id=Text())
_USES = DriverStatement(
    select(_asked.c.coupon_code, _asked.c.customer_id, func.count())
    .join_from(
        _asked,
        coupon_uses,
        (coupon_uses.c.coupon_code == _asked.c.coupon_code)
        & (coupon_uses.c.customer_id == _asked.c.customer_id),
    )
    .group_by(_asked.c.coupon_code, _asked.c.customer_id)
)
_used = rows_from_document("used_now", coupon_code=Text(), times=Integer())
_COUNT = DriverStatement(
    update(coupons).where(coupons.c.code == _used.c.coupon_code).values(used=coupons.c.used + _used.c.times)
)
_USE_COLUMNS = ("order_id", "coupon_code", "customer_id")
_RECORD = DriverStatement(insert_from_document(coupon_uses, *_USE_COLUMNS))
_released = (
    delete(coupon_uses)
    .where(
        coupon_uses.c.order_id == func.any(bindparam("order_ids", type_=ARRAY(coupon_uses.c.order_id.type)))
    )
    .returning(coupon_uses.c.coupon_code)
    .cte("released")
)
_counted = (
    select(_released.c.coupon_code, func.count().label("times"))
    .group_by(_released.c.coupon_code)
    .subquery("counted")
)
# What is counted off is what was recorded: the two can't drift apart.
_RELEASE = DriverStatement(
    update(coupons)
    .where(coupons.c.code == _counted.c.coupon_code)
    .values(used=coupons.c.used - _counted.c.times)
)


class SqlCouponRepository:
    """Coupons of one transaction."""

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    async def lock(self, asked: Iterable[tuple[str, str]]) -> Mapping[str, Coupon]:
        """Coupons by code for (code, customer) pairs, rows locked in code order.

        Earlier uses are read after the lock, and only for coupons with a limit per customer.
        """
        pairs = sorted(asked)
        found = await self._connection.fetch(_LOCK, {"codes": sorted({code for code, _ in pairs})})
        locked = {code: Coupon(code, CouponKind(kind), *rest) for code, kind, *rest in found}
        limited = [pair for pair in pairs if pair[0] in locked and locked[pair[0]].customer_limit is not None]
        if limited:
            asked_uses = [{"coupon_code": code, "customer_id": customer_id} for code, customer_id in limited]
            uses = await self._connection.fetch(_USES, as_document(asked_uses))
            for code, customer_id, count in uses:
                locked[code].used_by[customer_id] = count
        return locked

    async def lock_free(self, codes: Iterable[str]) -> set[str]:
        """Lock those that nobody holds, without waiting; the codes of the others that exist."""
        held = await self._connection.fetch(_LOCK_FREE, {"keys": sorted(codes)})
        return {code for (code,) in held}

    async def lock_free_uses(self, order_ids: Iterable[str]) -> set[str]:
        """Lock the uses of these orders that nobody holds, without waiting; the ids of the other orders."""
        held = await self._connection.fetch(_LOCK_FREE_USES, {"keys": sorted(order_ids)})
        return {str(order_id) for (order_id,) in held}

    async def use(self, placed: Sequence[Order]) -> None:
        """Record one use for each order, and count it on its coupon."""
        times = Counter(order.coupon_code for order in placed)
        counted = [{"coupon_code": code, "times": count} for code, count in times.items()]
        await self._connection.write(_COUNT, as_document(counted))
        uses = [
            {"order_id": order.id, "coupon_code": order.coupon_code, "customer_id": order.customer_id}
            for order in sorted(placed, key=lambda order: order.id)
        ]
        await self._connection.write(_RECORD, as_document(uses))

    async def release(self, ended: Sequence[Order]) -> None:
        """Delete the uses of these orders and count them off their coupons, which must be locked."""
        await self._connection.fetch(_RELEASE, {"order_ids": sorted(order.id for order in ended)})
