"""Who has an answer already is told so in a few bytes (RFC 9110, 13.1.2)."""

import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import Reply, exchanges, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = b'{"items":[{"productId":"p-1","quantity":2}]}'


async def placed(shop: Shop) -> str:
    """The address of a new order."""
    return (await shop.order(ORDER)).headers["location"]


async def order(shop: Shop, address: str, tags: str, method: str = "GET") -> Reply:
    """Ask for an order with If-None-Match."""
    named = {"authorization": f"Bearer {shop.token}", "if_none_match": tags}
    return await shop.send(message(method, address, b"", **named))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', "*", " * ", '"7", "1"', '"7" ,W/"1"', '"a,b", "1"'])
async def test_an_order_that_is_known_is_not_sent_again(shop: Shop, method: str, tags: str) -> None:
    reply = await order(shop, await placed(shop), tags, method)
    assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", '"1"')
    assert reply.headers["cache-control"] == "private, no-cache"
    assert not {"content-type", "content-length", "transfer-encoding"} & set(reply.headers)


@pytest.mark.parametrize("tags", ['"2"', 'W/"2"', '""', '"11"', '"*"', '"01"', '"2", "3"'])
async def test_an_order_that_is_not_known_is_sent(shop: Shop, tags: str) -> None:
    reply = await order(shop, await placed(shop), tags)
    assert (reply.status, reply.headers["etag"], reply.json["version"]) == (200, '"1"', 1)


async def test_the_tag_of_before_is_no_longer_current_after_a_step(shop: Shop) -> None:
    address = await placed(shop)
    await shop.send(message("POST", f"{address}/cancellation", authorization=f"Bearer {shop.token}"))
    assert (await order(shop, address, '"1"')).json["status"] == "CANCELLED"
    assert (await order(shop, address, '"2"')).status == 304


@pytest.mark.parametrize("tags", ["1", '"1', "", '"1" "2"', '*, "1"', '"1",', "\xff"])
async def test_what_is_no_list_of_tags_is_refused(shop: Shop, tags: str) -> None:
    reply = await order(shop, await placed(shop), tags)
    assert (reply.status, reply.problem()["code"]) == (422, "invalid_request")
    assert reply.json["errors"][0]["parameter"] == "If-None-Match"


async def test_another_customers_order_is_not_found_whatever_is_known(shop: Shop) -> None:
    assert (await order(shop, "/orders/019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91", "*")).status == 404


@pytest.mark.parametrize("path", ["/products", "/products?limit=2", "/products/p-1", "/orders"])
async def test_what_has_no_version_has_a_tag_of_what_it_says(shop: Shop, path: str) -> None:
    first = await shop.get(path)
    again = await shop.get(path, if_none_match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    shop.behind.products_by_id["p-1"].stock -= 1
    await placed(shop)
    changed = await shop.get(path, if_none_match=first.headers["etag"])
    assert (changed.status, changed.headers["etag"] != first.headers["etag"]) == (200, True)


async def test_the_next_request_on_the_connection_is_read_rightly(shop: Shop) -> None:
    """A 304 has no body, so the next answer begins right behind its head."""
    address = await placed(shop)
    head = {"authorization": f"Bearer {shop.token}"}
    sent = message("GET", address, b"", **head, if_none_match="*") + message("GET", "/products/p-1")
    first, second = await exchanges(shop.port, sent, 2)
    assert (first.status, second.status, second.json["id"]) == (304, 200, "p-1")
