"""Who sells a product, as the shop's own copy of the members says, on a real database."""

from dataclasses import replace

from app.application.order_queries import OrderQueries
from app.domain.seller import Seller, SellerSource, unknown_seller
from app.persistence.queries import SqlOrderReader
from tests.builders import NOW, a_product
from tests.integration.app.conftest import Shop


async def test_a_page_shows_each_seller_as_the_replica_knows_them(shop: Shop) -> None:
    """A product without a seller shows none, and a member who is not known is shown as such."""
    await shop.stock(
        [replace(a_product(f"p-{n}"), seller_id=m) for n, m in ((1, "m-1"), (2, "m-2"), (3, None))]
    )
    async with shop.engine.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO member_replica (member_id, name, version, as_of) VALUES ('m-1', 'Hong', 1, $1)",
            (NOW,),
        )
    queries = OrderQueries(SqlOrderReader(shop.engine))
    known = Seller("m-1", "Hong", SellerSource.REPLICA, NOW)
    page = await queries.products(after=None, limit=9)
    assert [each.seller for each in page] == [known, unknown_seller("m-2"), None]
    assert [await queries.product(f"p-{n}") for n in (1, 2, 3)] == page
