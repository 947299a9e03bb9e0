"""Ports: what the reads of customers and staff need, outside of any transaction of a use case."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.application.commands import CreateOrder, FoundOrders, OrderSearch
from app.domain.coupon import Coupon
from app.domain.order import Order
from app.domain.product import Product
from app.domain.seller import ListedProduct, Seller


class Members(Protocol):
    """What is known of members beyond the shop's own copy."""

    async def seller(self, member_id: str) -> Seller | None:
        """The member, within a second; None: not known. Never raises."""
        ...


class OrderReader(Protocol):
    """Reads for the shop's pages, outside of any transaction of a use case."""

    async def order(self, order_id: str) -> Order | None:
        """One order."""
        ...

    async def search(self, search: OrderSearch) -> FoundOrders:
        """A page of the orders that are searched, newest first; it may be short with more to follow."""
        ...

    async def product(self, product_id: str) -> ListedProduct | None:
        """One product; its seller is None also if the shop's copy of the members lacks them."""
        ...

    async def products(self, *, after: str | None, limit: int) -> list[ListedProduct]:
        """Up to `limit` products with an id above `after`, in id order, as above."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """What one customer's order would find at one moment; a coupon comes with that customer's uses.

    `reference_of` is the order that has its reference already.
    """

    products: Mapping[str, Product]
    coupons: Mapping[str, Coupon]
    open_orders: int
    reference_of: str | None
    now: datetime


class OfferReader(Protocol):
    """Reads what a check-out works with, without a lock."""

    async def offer(
        self,
        command: CreateOrder,
        *,
        with_open_orders: bool,
    ) -> Offer:
        """What exists of what it names, by the database's clock; unpaid orders are counted if asked for."""
        ...
