"""Persistence: fills an empty shop with a catalogue."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.coupon import Coupon
from app.domain.product import Product
from app.persistence.storage_errors import storage_errors
from app.persistence.tables import coupons, products


class SqlCatalogue:
    """Adds products and coupons; what exists stays as it is."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def is_empty(self) -> bool:
        """Whether the shop has no product at all."""
        with storage_errors():
            async with self._engine.connect() as connection:
                return (await connection.execute(select(products.c.id).limit(1))).first() is None

    async def add(self, new_products: Sequence[Product], new_coupons: Sequence[Coupon]) -> int:
        """Insert what is missing, in one transaction; returns how many products the shop has now."""
        product_rows = [asdict(product) for product in sorted(new_products, key=lambda product: product.id)]
        coupon_rows = [
            {name: value for name, value in asdict(coupon).items() if name != "used_by"}
            for coupon in sorted(new_coupons, key=lambda coupon: coupon.code)
        ]
        with storage_errors():
            async with self._engine.begin() as connection:
                await connection.execute(insert(products).on_conflict_do_nothing(), product_rows)
                await connection.execute(insert(coupons).on_conflict_do_nothing(), coupon_rows)
                return (await connection.execute(select(func.count()).select_from(products))).scalar_one()
