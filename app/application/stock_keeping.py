"""Use cases: pieces that arrive, break or are counted anew, beside running orders."""

from dataclasses import replace
from functools import partial

from app.application.catalogue_attempts import attempt, attempt_for_caller
from app.application.catalogue_errors import StockRefusedError, StockTooLowError
from app.application.catalogue_ports import (
    CatalogueTransactions,
    CatalogueWork,
    RecordedMovement,
    StockMovement,
)
from app.application.errors import IdempotencyKeyReusedError, ProductNotFoundError
from app.application.key_ports import KeyClaim
from app.domain.product import Product

LARGEST_STOCK = 2_000_000_000
_ROUTE = "POST /products/{id}/stock-movements"


class StockKeeping:
    """Changes stock by a difference, never to a number: orders go on taking from it meanwhile."""

    def __init__(self, transactions: CatalogueTransactions) -> None:
        self._transactions = transactions

    async def add(self, movement: StockMovement) -> RecordedMovement:
        """Do one movement, once, however often its transaction must be tried.

        Raises:
            ProductNotFoundError: the shop does not sell it.
            StockTooLowError, StockRefusedError: fewer than 0 or more than 2,000,000,000 pieces would be left.
            StorageError: see `attempt`; the movement can be looked up in the audit by its id.
        """
        return await attempt(partial(self._add, movement))

    async def add_for_caller(self, movement: StockMovement) -> RecordedMovement:
        """As `add`, for one who waits: a movement whose key has done it already is answered as it was then.

        Raises:
            IdempotencyKeyReusedError: the key names another movement.
            StorageError: see `attempt_for_caller`; sent again with its key, it is done once.
            Otherwise as `add`.
        """
        return await attempt_for_caller(partial(self._add, movement))

    async def _add(self, movement: StockMovement) -> RecordedMovement:
        async with self._transactions() as work:
            if done := await _done_by_key(movement, work):
                return done
            product = (await work.lock_products([movement.product_id])).get(movement.product_id)
            if product is None:
                raise ProductNotFoundError(f"There is no product {movement.product_id}.")
            # Asked under the lock: an attempt whose answer was lost has ended by now, one way or the other.
            if done := await work.find_movement(movement.movement_id):
                return done
            after = _stock_after(product, movement.delta)
            await work.move_stock(movement)
            await work.record_movements([(movement, after)])
            return await _recorded(movement.movement_id, work)


async def _done_by_key(movement: StockMovement, work: CatalogueWork) -> RecordedMovement | None:
    if movement.idempotency is None:
        return None
    key, asked = movement.idempotency.key, movement.idempotency.request_hash
    owner = await work.claim_key(KeyClaim(movement.actor, _ROUTE, key, asked, movement.movement_id))
    if owner is None:
        return None
    if owner.request_hash != asked:
        raise IdempotencyKeyReusedError("This key was used for another request.")
    return replace(await _recorded(owner.order_id, work), replayed=True)


async def _recorded(movement_id: str, work: CatalogueWork) -> RecordedMovement:
    done = await work.find_movement(movement_id)
    if done is None:
        raise LookupError(f"Movement {movement_id} has a key but no line in the audit.")
    return done


def _stock_after(product: Product, delta: int) -> int:
    after = product.stock + delta
    if not 0 <= after <= LARGEST_STOCK:
        refused = StockTooLowError if after < 0 else StockRefusedError
        raise refused(
            f"Product {product.id} has {product.stock} pieces, so {delta:+} would make {after};"
            f" it may have 0 to {LARGEST_STOCK}. Nothing was changed.",
            product=product.id,
            available=product.stock,
        )
    return after
