"""Domain: a product and its stock."""

from dataclasses import dataclass

from app.domain.errors import OutOfStockError


@dataclass(slots=True)
class Product:
    """What the shop sells: `price` in minor units of `currency`, `stock` in pieces, never below zero.

    `seller_id` is a member's, None for the shop's own; what an order locks comes without it.
    """

    id: str
    name: str
    price: int
    currency: str
    stock: int
    seller_id: str | None = None

    def require(self, quantity: int) -> None:
        """Raises OutOfStockError unless `quantity` pieces are left."""
        if quantity > self.stock:
            raise OutOfStockError(self.id, self.stock)

    def take(self, quantity: int) -> None:
        """Take pieces out of the stock.

        Raises:
            OutOfStockError: fewer are left; nothing was taken.
        """
        self.require(quantity)
        self.stock -= quantity
