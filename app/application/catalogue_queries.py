"""Use cases: what the shop's staff looks up."""

from app.application.catalogue_errors import NoSuchCouponError
from app.application.catalogue_ports import CatalogueReader, RecordedMovement
from app.application.errors import ProductNotFoundError
from app.domain.coupon import Coupon


class CatalogueQueries:
    """Coupons, and how stock moved without orders."""

    def __init__(self, reader: CatalogueReader) -> None:
        self._reader = reader

    async def coupon(self, code: str) -> Coupon:
        """One coupon with its count of uses.

        Raises:
            NoSuchCouponError: there is none with this code.
        """
        coupon = await self._reader.coupon(code)
        if coupon is None:
            raise NoSuchCouponError(f"There is no coupon {code}.")
        return coupon

    async def movements(self, product_id: str, *, before: str | None, limit: int) -> list[RecordedMovement]:
        """Up to `limit` movements of a product, newest first; `before` is the id of the last one seen.

        Raises:
            ProductNotFoundError: the shop does not have the product.
        """
        found = await self._reader.movements(product_id, before=before, limit=limit)
        if not found and not await self._reader.has_product(product_id):
            raise ProductNotFoundError("There is no such product.")
        return found
