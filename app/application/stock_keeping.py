"""Use cases: pieces that arrive, break or are counted anew, beside running orders."""

from functools import partial

from app.application.catalogue_attempts import attempt
from app.application.catalogue_errors import StockRefusedError
from app.application.catalogue_ports import CatalogueTransactions, StockMovement
from app.application.errors import ProductNotFoundError
from app.domain.product import Product

LARGEST_STOCK = 2_000_000_000


class StockKeeping:
    """Changes stock by a difference, never to a number: orders go on taking from it meanwhile."""

    def __init__(self, transactions: CatalogueTransactions) -> None:
        self._transactions = transactions

    async def add(self, movement: StockMovement) -> int:
        """Do one movement, once, however often its transaction must be tried; returns the stock after it.

        Raises:
            ProductNotFoundError: the shop does not sell it.
            StockRefusedError: fewer than 0 or more than 2,000,000,000 pieces would be left.
            StorageError: see `attempt`; the movement can be looked up in the audit by its id.
        """
        return await attempt(partial(self._add, movement))

    async def _add(self, movement: StockMovement) -> int:
        async with self._transactions() as work:
            product = (await work.lock_products([movement.product_id])).get(movement.product_id)
            if product is None:
                raise ProductNotFoundError(f"There is no product {movement.product_id}.")
            # Asked under the lock: an attempt whose answer was lost has ended by now, one way or the other.
            if await work.is_recorded(movement.movement_id):
                return product.stock
            after = _stock_after(product, movement.delta)
            await work.move_stock(movement)
            await work.record_movements([(movement, after)])
            return after


def _stock_after(product: Product, delta: int) -> int:
    after = product.stock + delta
    if not 0 <= after <= LARGEST_STOCK:
        raise StockRefusedError(
            f"Product {product.id} has {product.stock} pieces, so {delta:+} would make {after};"
            f" it may have 0 to {LARGEST_STOCK}. Nothing was changed."
        )
    return after
