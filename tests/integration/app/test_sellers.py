"""Who sells a product, as the shop's own copy of the members says, on a real database."""

from dataclasses import replace

from app.application.order_queries import OrderQueries
from app.domain.seller import Seller, SellerSource, unknown_seller
from app.metrics import AppMetrics
from app.persistence.products import _LOCK
from app.persistence.queries import SqlOrderReader
from app.persistence.tables import products
from kits.observability.metrics import Metrics
from tests.builders import NOW, a_product
from tests.integration.app.conftest import Shop
from tests.unit.api.in_memory_shop import InMemoryShop


async def test_a_page_shows_each_seller_as_the_replica_knows_them(shop: Shop) -> None:
    """A product without a seller shows none, and a member who is not known is shown as such.

    For a single product the Member API is asked about who is missing there, for a page never.
    """
    await shop.stock(
        [replace(a_product(f"p-{n}"), seller_id=m) for n, m in ((1, "m-1"), (2, "m-2"), (3, None))]
    )
    async with shop.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO member_replica (member_id, name, version, as_of) VALUES ('m-1', 'Hong', 1, $1)",
            (NOW,),
        )
    behind = InMemoryShop()
    metrics = Metrics()
    queries = OrderQueries(SqlOrderReader(shop.engine), behind, AppMetrics(metrics))
    known = Seller("m-1", "Hong", SellerSource.REPLICA, NOW)
    page = await queries.products(after=None, limit=9)
    assert [each.seller for each in page] == [known, unknown_seller("m-2"), None]
    assert [await queries.product(f"p-{n}") for n in (1, 2, 3)] == page
    behind.members = dict.fromkeys(("m-1", "m-2"), Seller("m-2", "Kim", SellerSource.MEMBER_API, NOW))
    assert await queries.products(after=None, limit=9) == page
    assert (await queries.product("p-1")).seller == known
    assert (await queries.product("p-2")).seller == behind.members["m-2"]
    shown = metrics.render().decode()
    for source, times in {"replica": 2, "member-api": 1, "fallback": 1, "cache": 0}.items():
        assert f'product_sellers_total{{source="{source}"}} {times}.0' in shown


def test_an_order_locks_products_without_their_sellers() -> None:
    """It needs what it always needed; these rows are the most of its transaction."""
    assert "seller_id" in {column.name for column in products.columns}
    assert "seller" not in _LOCK.text
    assert "member" not in _LOCK.text
