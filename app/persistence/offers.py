"""Persistence: what a check-out works with, read in one snapshot that can neither lock nor write."""

from functools import partial
from typing import Any

from sqlalchemy import ARRAY, Select, Text, and_, bindparam, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.application.commands import CreateOrder, Reference
from app.application.read_ports import Offer
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

_REFERENCE_OF = select(orders.c.id).where(
    orders.c.client_reference == bindparam("client_reference", type_=Text),
    orders.c.customer_id == bindparam("customer_id", type_=Text),
)


class SqlOfferReader:
    """Reads what is committed; rows that others hold are read as they were."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def offer(self, command: CreateOrder, *, with_open_orders: bool) -> Offer:
        """One moment's products, coupon, reference and unpaid orders, by up to four statements.

        Raises:
            StorageError: the database cannot be read now.
        """
        clock = _NOW_AND_OPEN_ORDERS if with_open_orders else _NOW
        with storage_errors():
            return await run_again_once(partial(self._offer_once, clock, command))

    async def _offer_once(self, clock: Select[Any], command: CreateOrder) -> Offer:
        async with self._engine.connect() as connection:
            await connection.execution_options(**_SNAPSHOT)
            found = await connection.execute(_PRODUCTS, {"ids": [item.product_id for item in command.items]})
            offered = {row["id"]: product_of(row) for row in found.mappings()}
            customer = {"customer_id": command.customer_id}
            moment, open_orders = (await connection.execute(clock, customer)).one()
            return Offer(
                offered,
                await _coupon(connection, command.coupon_code, command.customer_id),
                open_orders,
                await _reference_of(connection, command.reference),
                as_told(moment),
            )


async def _coupon(connection: AsyncConnection, code: str | None, customer_id: str) -> dict[str, Coupon]:
    if code is None:
        return {}
    row = (await connection.execute(_COUPON, {"code": code, "customer_id": customer_id})).one_or_none()
    if row is None:
        return {}
    found_code, kind, *rest, uses = row
    coupon = Coupon(found_code, CouponKind(kind), *rest)
    coupon.used_by[customer_id] = uses
    return {coupon.code: coupon}


async def _reference_of(connection: AsyncConnection, reference: Reference | None) -> str | None:
    if reference is None:
        return None
    customer_id, client_reference = reference
    found: str | None = await connection.scalar(
        _REFERENCE_OF, {"customer_id": customer_id, "client_reference": client_reference}
    )
    return found
