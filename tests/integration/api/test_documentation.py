"""The pages of /docs as a browser gets them."""

from typing import Any

import jsonschema
import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/docs", "/docs/problems"])
async def test_a_page_is_html_that_may_load_nothing_but_its_own_style(shop: Shop, path: str) -> None:
    reply = await shop.send(message("GET", path))
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "http" not in policy


async def test_the_document_is_served_as_json(shop: Shop) -> None:
    reply = await shop.send(message("GET", "/docs/openapi.json"))
    assert reply.headers["content-type"] == "application/json"
    assert reply.json["openapi"] == "3.1.0"


async def test_every_problem_that_is_answered_leads_to_its_explanation(shop: Shop) -> None:
    problem = (await shop.send(message("GET", "/nothing"))).problem()
    path, _, anchor = problem["type"].partition("#")
    page = (await shop.send(message("GET", path))).body.decode()
    assert f"id='{anchor}'" in page


@pytest.mark.parametrize(
    ("method", "path", "body", "template", "status"),
    [
        ("POST", "/orders", b'{"items":[{"productId":"p-1","quantity":1}]}', "/orders", 202),
        ("POST", "/orders", b'{"items":[{"productId":"p-1","quantity":101}]}', "/orders", 409),
        ("POST", "/orders", b'{"items":[]}', "/orders", 422),
        ("POST", "/orders", b"{", "/orders", 400),
        ("GET", "/orders/x", b"", "/orders/{order_id}", 404),
        ("GET", "/orders", b"", "/orders", 200),
        ("GET", "/orders?cursor=x", b"", "/orders", 422),
        ("POST", "/orders/x/payment", b"", "/orders/{order_id}/payment", 403),
        ("POST", "/orders/x/cancellation", b"", "/orders/{order_id}/cancellation", 404),
        ("POST", "/orders/x/fulfilment", b"", "/orders/{order_id}/fulfilment", 403),
        ("GET", "/products", b"", "/products", 200),
        ("GET", "/products?limit=0", b"", "/products", 422),
        ("GET", "/products/p-1", b"", "/products/{product_id}", 200),
        ("GET", "/products/p-9", b"", "/products/{product_id}", 404),
        ("PUT", "/products/p-1", b"{}", "/products/{product_id}", 403),
        ("GET", "/products/p-1/stock-movements", b"", "/products/{product_id}/stock-movements", 403),
        ("PUT", "/coupons/A", b"{}", "/coupons/{code}", 403),
    ],
)
async def test_an_answer_is_what_the_document_says(
    shop: Shop, method: str, path: str, *, body: bytes, template: str, status: int
) -> None:
    document: Any = (await shop.send(message("GET", "/docs/openapi.json"))).json
    headers = {"authorization": f"Bearer {shop.token}", "content_type": "application/json"}
    reply = await shop.send(message(method, path, body, **headers))
    described = document["paths"][template][method.lower()]["responses"][str(status)]
    assert reply.status == status
    content = described["content"][reply.headers["content-type"]]
    schema = {**content["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply.json)
    promised = {name.lower() for name, header in described.get("headers", {}).items() if header["required"]}
    assert promised <= set(reply.headers)


async def test_an_order_is_shown_as_the_document_says(shop: Shop) -> None:
    document: Any = (await shop.send(message("GET", "/docs/openapi.json"))).json
    accepted = await shop.order(b'{"items":[{"productId":"p-1","quantity":1}]}')
    reply = await shop.get(accepted.headers["location"])
    schema = {"$ref": "#/components/schemas/OrderBody", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(reply.json)
