"""Persistence: what a check-out works with, read in one snapshot that can neither lock nor write."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import ARRAY, Select, Text, and_, bindparam, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.application.ports import Offer
from app.domain.coupon import Coupon, CouponKind
from app.persistence.orders import PENDING
from app.persistence.products import product_of
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import coupon_uses, coupons, orders, products
from app.persistence.transaction_clock import as_told
from kits.postgres.pools import run_again_once

_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_PRODUCTS = select(products).where(products.c.id == func.any(bindparam("ids", type_=ARRAY(Text))))
_uses = (
    select(func.count())
    .where(
        and_(
            coupon_uses.c.coupon_code == coupons.c.code,
            coupon_uses.c.customer_id == bindparam("customer_id", type_=Text),
        )
    )
    .scalar_subquery()
)
# As the check-out counts them: only where a limit asks for it.
_COUPON = select(coupons, case((coupons.c.customer_limit.is_not(None), _uses), else_=0)).where(
    coupons.c.code == bindparam("code", type_=Text)
)
_NOW = select(func.clock_timestamp(), literal_column("0"))
_open_orders = select(func.count()).where(
    PENDING, orders.c.customer_id == bindparam("customer_id", type_=Text)
)
_NOW_AND_OPEN_ORDERS = select(func.clock_timestamp(), _open_orders.scalar_subquery())


class SqlOfferReader:
    """Reads what is committed; rows that others hold are read as they were."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def offer(
        self,
        product_ids: Sequence[str],
        coupon_code: str | None,
        customer_id: str,
        *,
        with_open_orders: bool,
    ) -> Offer:
        """One moment's products, coupon and unpaid orders, by up to three statements.

        Raises:
            StorageError: the database cannot be read now.
        """
        clock = _NOW_AND_OPEN_ORDERS if with_open_orders else _NOW
        with storage_errors():
            return await run_again_once(
                partial(self._offer_once, clock, list(product_ids), coupon_code, customer_id)
            )

    async def _offer_once(
        self,
        clock: Select[Any],
        product_ids: list[str],
        coupon_code: str | None,
        customer_id: str,
    ) -> Offer:
        async with self._engine.connect() as connection:
            await connection.execution_options(**_SNAPSHOT)
            found = (await connection.execute(_PRODUCTS, {"ids": product_ids})).mappings()
            offered = {row["id"]: product_of(row) for row in found}
            coupon = await _coupon(connection, coupon_code, customer_id) if coupon_code else {}
            moment, open_orders = (await connection.execute(clock, {"customer_id": customer_id})).one()
            return Offer(offered, coupon, open_orders, as_told(moment))


async def _coupon(connection: AsyncConnection, code: str, customer_id: str) -> dict[str, Coupon]:
    row = (await connection.execute(_COUPON, {"code": code, "customer_id": customer_id})).one_or_none()
    if row is None:
        return {}
    found_code, kind, *rest, uses = row
    coupon = Coupon(found_code, CouponKind(kind), *rest)
    coupon.used_by[customer_id] = uses
    return {coupon.code: coupon}
