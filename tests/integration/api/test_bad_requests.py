"""Bad input, sent as raw bytes: each gets a clean 4xx problem, and the next request is served as ever."""

import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import exchanges, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD = b'{"items":[{"productId":"p-1","quantity":1}]}'
ITEM = b'{"productId":"p-1","quantity":1}'


def item(product: bytes = b'"p-1"', quantity: bytes = b"1") -> bytes:
    return b'{"items":[{"productId":%b,"quantity":%b}]}' % (product, quantity)


BODIES = {
    "nul in an id": (item(b'"p\\u0000"'), 422, "invalid_request"),
    "raw nul in an id": (item(b'"p\x00"'), 400, "malformed_body"),
    "nul in a coupon": (b'{"items":[%b],"couponCode":"A\\u0000"}' % ITEM, 422, "invalid_request"),
    "a 27 digit quantity": (item(quantity=b"9" * 27), 422, "invalid_request"),
    "a 60,000 digit quantity": (item(quantity=b"9" * 60_000), 422, "invalid_request"),
    "a negative quantity": (item(quantity=b"-1"), 422, "invalid_request"),
    "a fraction": (item(quantity=b"1.5"), 422, "invalid_request"),
    "a quantity as text": (item(quantity=b'"1"'), 422, "invalid_request"),
    "a whole number with a fraction": (item(quantity=b"1.0"), 422, "invalid_request"),
    "a whole number with an exponent": (item(quantity=b"1e2"), 422, "invalid_request"),
    "minus nought": (item(quantity=b"-0"), 422, "invalid_request"),
    "a leading nought": (item(quantity=b"01"), 400, "malformed_body"),
    "a leading plus": (item(quantity=b"+1"), 400, "malformed_body"),
    "a quantity too many": (item(quantity=b"1001"), 422, "invalid_request"),
    "200,000 nested arrays": (b"[" * 200_000, 413, "payload_too_large"),
    "60,000 nested arrays": (b"[" * 60_000, 422, "invalid_request"),
    "60,000 nested arrays in a field": (b'{"items":' + b"[" * 60_000, 422, "invalid_request"),
    "60,000 nested objects": (b'{"items":' * 7_000, 422, "invalid_request"),
    "300,000 items": (b'{"items":[' + b",".join([ITEM] * 300_000) + b"]}", 413, "payload_too_large"),
    "101 items": (b'{"items":[' + b",".join([ITEM] * 101) + b"]}", 422, "invalid_request"),
    "no items": (b'{"items":[]}', 422, "invalid_request"),
    "a newline after the id": (item(b'"abc\\n"'), 422, "invalid_request"),
    "a newline after the coupon": (b'{"items":[%b],"couponCode":"A\\n"}' % ITEM, 422, "invalid_request"),
    "an empty id": (item(b'""'), 422, "invalid_request"),
    "a path for an id": (item(b'"../../etc/passwd"'), 422, "invalid_request"),
    "bad utf-8": (item(b'"\xff\xfe"'), 400, "malformed_body"),
    "half a surrogate": (item(b'"\\ud800"'), 400, "malformed_body"),
    "utf-16": (GOOD.decode().encode("utf-16"), 400, "malformed_body"),
    "utf-16 without a mark": (GOOD.decode().encode("utf-16-be"), 400, "malformed_body"),
    "utf-32": (GOOD.decode().encode("utf-32"), 400, "malformed_body"),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400, "malformed_body"),
    "an empty body": (b"", 400, "malformed_body"),
    "half a body": (GOOD[:20], 400, "malformed_body"),
    "two bodies": (GOOD + GOOD, 400, "malformed_body"),
    "null": (b"null", 422, "invalid_request"),
    "text": (b'"text"', 422, "invalid_request"),
    "an unknown field": (b'{"items":[%b],"customerId":"c-2"}' % ITEM, 422, "invalid_request"),
    "an unknown field of an item": (
        b'{"items":[{"productId":"p-1","quantity":1,"price":1}]}',
        422,
        "invalid_request",
    ),
    "an unknown product": (item(b'"p-99"'), 422, "unknown_product"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_bad_body_gets_a_clean_4xx(shop: Shop, case: str) -> None:
    body, status, code = BODIES[case]
    reply = await shop.order(body)
    assert (reply.status, reply.problem()["code"]) == (status, code)
    assert shop.behind.orders == {}
    assert (await shop.order(GOOD)).status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": ""},
        {"content_encoding": "gzip"},
    ],
)
async def test_anything_but_json_is_415(shop: Shop, headers: dict[str, str]) -> None:
    reply = await shop.order(GOOD, **headers)
    assert (reply.status, reply.problem()["code"]) == (415, "unsupported_media_type")


START = b"POST /orders HTTP/1.1\r\nHost: shop\r\n"
FRAMING = {
    "the same length twice": START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": START + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "a list of lengths": START + b"Content-Length: 3, 3\r\n\r\nabc",
    "a negative length": START + b"Content-Length: -3\r\n\r\nabc",
    "a signed length": START + b"Content-Length: +3\r\n\r\nabc",
    "an empty length": START + b"Content-Length: \r\n\r\n",
    "a length beyond 64 bits": START + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "length and chunks": START + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": START + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "another coding": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "no coding that ends": START + b"Transfer-Encoding: identity\r\n\r\nabc",
    "chunks in http/1.0": b"POST /orders HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": START + b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
    "a chunk that is no number": START + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a blank before the colon": START + b"Content-Length : 3\r\n\r\nabc",
    "a folded header": START + b"X-A: b\r\n c\r\n\r\n",
    "nul in a header": START + b"X-A: b\x00c\r\n\r\n",
    "bare newlines": b"GET /products HTTP/1.1\nHost: shop\n\n",
    "no host": b"GET /products HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /products HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host that is none": b"GET /products HTTP/1.1\r\nHost: a b<\r\n\r\n",
    "an unknown method": b"STEAL /products HTTP/1.1\r\nHost: shop\r\n\r\n",
    "a tunnel": b"CONNECT shop:80 HTTP/1.1\r\nHost: shop\r\n\r\n",
    "an upgrade": START + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/0.9": b"GET /products\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "letters outside of ascii": "GET /prodücts HTTP/1.1\r\nHost: shop\r\n\r\n".encode(),
}


@pytest.mark.parametrize("case", FRAMING)
async def test_bytes_that_are_not_careful_http_get_a_400(shop: Shop, case: str) -> None:
    reply = await shop.send(FRAMING[case])
    assert (reply.status, reply.problem()["code"]) == (400, "bad_request")
    assert shop.behind.commands == []
    assert (await shop.order(GOOD)).status == 202


@pytest.mark.parametrize("zeros", [1, 4300, 4400, 15_000])
async def test_zeros_before_a_length_do_not_matter(shop: Shop, zeros: int) -> None:
    """RFC 9110, 8.6: digits, however many."""
    padded = "0" * zeros
    assert (await shop.order(GOOD, content_length=f"{padded}{len(GOOD)}")).status == 202
    empty = await shop.order(b"", content_length=padded)
    assert (empty.status, empty.problem()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (message("GET", "/" + "a" * 9000), 414),
        (message("GET", "/products?" + "a" * 9000), 414),
        (message("GET", "/products", x_large="y" * 20_000), 431),
        (message("GET", "/products", b"", **{f"x_{n}": "y" for n in range(120)}), 431),
        (b"GET /products HTTP/1.1\r\nHost: shop\r\nX-Endless: " + b"y" * 3_000_000, 431),
        (b"GET /" + b"a" * 3_000_000, 431),
    ],
)
async def test_a_head_beyond_its_bounds_is_refused(shop: Shop, sent: bytes, status: int) -> None:
    reply = await shop.send(sent)
    assert reply.status == status
    reply.problem()


@pytest.mark.parametrize(
    "path",
    [
        "/orders/..%2f..%2fetc%2fpasswd",
        "/orders/%00",
        "/orders/%ff",
        "/orders/" + "a" * 7000,
        "/orders/019F8E6A-3D52-7C1E-9B4A-5F0C2D7E8A91",
        "/orders/019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91%0a",
        "/products/..%2f..",
        "/products/%00",
        "/products/abc%0a",
        "/products/p-1%20",
        "/../../etc/passwd",
        "//orders//..",
        "/nothing",
    ],
)
async def test_an_id_that_cannot_exist_is_not_found(shop: Shop, path: str) -> None:
    reply = await shop.get(path)
    assert reply.status == 404
    reply.problem()


async def test_garbage_after_a_request_does_not_answer_in_its_place(shop: Shop) -> None:
    sent = message("GET", "/products") + b"GARBAGE\r\n\r\n"
    reply = await shop.send(sent)
    assert reply.status == 200
    assert reply.headers["connection"] == "close"


@pytest.mark.parametrize("close", [{}, {"connection": "close"}])
async def test_a_long_body_is_refused_without_a_reset(shop: Shop, close: dict[str, str]) -> None:
    reply = await shop.order(b"x" * 8_000_000, **close)
    assert reply.status == 413
    assert reply.problem()["limit"] == 65_536


async def test_a_chunked_body_has_the_same_limit(shop: Shop) -> None:
    chunks = (b"10000\r\n" + b" " * 65_536 + b"\r\n") * 20 + b"0\r\n\r\n"
    head = shop.order_message(b"", transfer_encoding="chunked")
    first, second = await exchanges(shop.port, head + chunks + message("GET", "/products"), 2)
    assert (first.status, first.problem()["limit"]) == (413, 65_536)
    assert second.status == 200


async def test_a_body_that_is_announced_only_is_refused_before_it_is_sent(shop: Shop) -> None:
    sent = shop.order_message(b"", content_length="9000000", expect="100-continue")
    reply = await shop.send(sent)
    assert (reply.status, reply.headers["connection"]) == (413, "close")


async def test_a_chunked_order_is_an_order(shop: Shop) -> None:
    chunks = b"".join(b"1\r\n%b\r\n" % bytes([byte]) for byte in GOOD) + b"0\r\n\r\n"
    reply = await shop.send(shop.order_message(b"", transfer_encoding="chunked") + chunks)
    assert reply.status == 202


@pytest.mark.parametrize("sent", [b"", b"GET /products HTTP/1.1\r\nHost: sh", b"half a body"])
async def test_a_request_that_comes_too_slowly_is_given_up(shop: Shop, sent: bytes) -> None:
    sent = shop.order_message(b"{", content_length="100") if sent == b"half a body" else sent
    reply = await shop.send(sent)
    assert (reply.status, reply.problem()["code"]) == (408, "request_timeout")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=" + "9" * 27, "limit"),
        ("limit=many", "limit"),
        ("limit=1.5", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=x", "cursor"),
        ("cursor=%ff", ""),
        ("cursor=" + "a" * 300, "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(shop: Shop, query: str, parameter: str) -> None:
    reply = await shop.get(f"/products?{query}")
    assert reply.status == 422
    assert [error["parameter"] for error in reply.problem()["errors"]] == [parameter]


async def test_pipelined_requests_are_answered_in_turn(shop: Shop) -> None:
    sent = message("GET", "/products/p-1") + message("GET", "/products/p-9") + shop.order_message(GOOD)
    assert [reply.status for reply in await exchanges(shop.port, sent, 3)] == [200, 404, 202]
