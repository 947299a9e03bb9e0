"""Use cases: what an order would cost, and whether it could be placed now."""

from datetime import timedelta

from app.application.checkout import Checkout, Quote
from app.application.commands import CreateOrder
from app.application.read_ports import OfferReader


class OrderQuotes:
    """Reads what a check-out would lock, and goes through the same check-out; nothing is taken or held."""

    def __init__(self, offers: OfferReader, *, time_to_live: timedelta, max_open_orders: int = 0) -> None:
        self._offers = offers
        self._time_to_live = time_to_live
        self._max_open_orders = max_open_orders

    async def quote(self, command: CreateOrder) -> Quote:
        """What this order would come to; it may be otherwise a moment later.

        Raises:
            OrderError: no state of the shop could make it an order.
            StorageError: the database cannot be read now.
        """
        offer = await self._offers.offer(command, with_open_orders=self._max_open_orders > 0)
        checkout = Checkout(
            offer.products,
            offer.coupons,
            offer.now,
            self._time_to_live,
            max_open_orders=self._max_open_orders,
        )
        checkout.open_orders[command.customer_id] = offer.open_orders
        if command.reference and offer.reference_of:
            checkout.references.used[command.reference] = offer.reference_of
        return checkout.quote(command)
