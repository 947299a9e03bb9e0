"""Use cases: reads."""

from app.application.commands import FoundOrders, OrderSearch
from app.application.errors import OrderNotFoundError, ProductNotFoundError
from app.application.read_ports import Members, OrderReader
from app.domain.order import Order
from app.domain.seller import ListedProduct, Seller, unknown_seller
from app.metrics import AppMetrics


class OrderQueries:
    """What customers and staff may look at."""

    def __init__(self, reader: OrderReader, members: Members, metrics: AppMetrics) -> None:
        self._reader = reader
        self._members = members
        self._metrics = metrics

    async def order(self, order_id: str, *, customer_id: str | None) -> Order:
        """One of the customer's own orders; anybody's, if `customer_id` is None.

        Raises:
            OrderNotFoundError: there is none with this id, or it is another customer's.
        """
        order = await self._reader.order(order_id)
        if order is None or customer_id not in (None, order.customer_id):
            raise OrderNotFoundError("There is no such order.")
        return order

    async def orders(self, search: OrderSearch) -> FoundOrders:
        """A page of orders, newest first.

        It looks at 5,000 orders at most: a page may be short, or empty, while `next_before` leads on.
        """
        return await self._reader.search(search)

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
