"""Use cases: reads."""

from app.application.errors import OrderNotFoundError, ProductNotFoundError
from app.application.ports import Members, OrderReader
from app.domain.order import Order
from app.domain.seller import ListedProduct, Seller, unknown_seller
from app.metrics import AppMetrics


class OrderQueries:
    """What a customer may look at."""

    def __init__(self, reader: OrderReader, members: Members, metrics: AppMetrics) -> None:
        self._reader = reader
        self._members = members
        self._metrics = metrics

    async def order(self, order_id: str, *, customer_id: str) -> Order:
        """One of the customer's own orders.

        Raises:
            OrderNotFoundError: there is none with this id, or it is another customer's.
        """
        order = await self._reader.order(order_id)
        if order is None or order.customer_id != customer_id:
            raise OrderNotFoundError("There is no such order.")
        return order

    async def orders(self, *, customer_id: str, before: str | None, limit: int) -> list[Order]:
        """Up to `limit` of the customer's own orders with an id below `before`, newest first."""
        return await self._reader.orders_of(customer_id, before=before, limit=limit)

    async def product(self, product_id: str) -> ListedProduct:
        """One product and its seller: by the shop's own copy, else by the Member API, else unknown.

        Raises:
            ProductNotFoundError: the shop does not sell it.
        """
        product = await self._reader.product(product_id)
        if product is None:
            raise ProductNotFoundError("There is no such product.")
        seller = product.seller or await self._elsewhere(product.product.seller_id)
        if seller is not None:
            self._metrics.sellers[seller.source].inc()
        return ListedProduct(product.product, seller)

    async def products(self, *, after: str | None, limit: int) -> list[ListedProduct]:
        """Up to `limit` products with an id above `after`, in id order; the shop's own copy names sellers."""
        return [_named(each) for each in await self._reader.products(after=after, limit=limit)]

    async def _elsewhere(self, seller_id: str | None) -> Seller | None:
        if seller_id is None:
            return None
        return await self._members.seller(seller_id) or unknown_seller(seller_id)


def _named(listed: ListedProduct) -> ListedProduct:
    seller_id = listed.product.seller_id
    if seller_id is None or listed.seller is not None:
        return listed
    return ListedProduct(listed.product, unknown_seller(seller_id))
