"""The documentation: complete, true to the code, and without another host."""

import json
import re
from typing import Any

import jsonschema
import msgspec
import pytest
from litestar.routes import HTTPRoute

from app.api import catalogue_schemas, schemas
from app.api.problems import customer_door, shop_problems
from app.main import create_app
from kits.web.documents.html import DOCS_POLICY, openapi_page, problems_page
from kits.web.documents.openapi import openapi_document
from tests.unit.api.in_memory_shop import InMemoryShop, container_of

APP = create_app(container_of(InMemoryShop()))
UNDESCRIBED = {"/docs", "/docs/problems", "/docs/openapi.json", "/docs/{path}"}
DOCUMENT: Any = openapi_document(APP)
TITLE = "Order service"


def test_every_door_of_the_shop_is_described() -> None:
    paths = {route.path_format for route in APP.routes if isinstance(route, HTTPRoute)}
    assert paths - UNDESCRIBED == set(DOCUMENT["paths"])


def test_a_door_cannot_name_a_code_that_is_not_listed() -> None:
    with pytest.raises(KeyError):
        customer_door("no_such_code")


def test_every_reference_of_the_document_leads_somewhere() -> None:
    references = set(re.findall(r'"\$ref":\s*"#/components/schemas/([^"]+)"', json.dumps(DOCUMENT)))
    assert references <= set(DOCUMENT["components"]["schemas"])


def test_every_example_of_the_document_is_valid_by_its_schema() -> None:
    found = [
        one for path in DOCUMENT["paths"].values() for operation in path.values() for one in bodies(operation)
    ]
    assert len(found) > 10
    for content in found:
        schema = {**content["schema"], "components": DOCUMENT["components"]}
        shown = [content["example"]] if "example" in content else []
        for value in [*shown, *(one["value"] for one in content.get("examples", {}).values())]:
            jsonschema.Draft202012Validator(schema).validate(value)


def bodies(operation: Any) -> list[Any]:
    parts = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [content for part in parts for content in part.get("content", {}).values()]


@pytest.mark.parametrize(
    "name",
    [
        "ORDER_REQUEST",
        "ACCEPTED_ORDER",
        "ORDER",
        "ORDER_PAGE",
        "PRODUCT",
        "PRODUCT_PAGE",
        "PRODUCT_TERMS",
        "CATALOGUE_PRODUCT",
        "COUPON_TERMS",
        "CATALOGUE_COUPON",
        "MOVEMENT_REQUEST",
        "MOVEMENT",
        "MOVEMENT_PAGE",
    ],
)
def test_every_example_decodes_into_its_own_struct(name: str) -> None:
    example = getattr(schemas, name, None) or getattr(catalogue_schemas, name)
    assert msgspec.json.decode(msgspec.json.encode(example), type=type(example)) == example


def test_secured_doors_say_so_and_list_their_refusals() -> None:
    order = DOCUMENT["paths"]["/orders"]["post"]
    assert order["security"] == [{"bearer": []}]
    assert {"202", "400", "401", "409", "413", "415", "422", "500", "503"} <= set(order["responses"])
    assert set(order["responses"]["202"]["headers"]) == {
        "Location",
        "Retry-After",
        "Idempotency-Replayed",
    }


def test_an_answer_that_asks_to_wait_says_for_how_long() -> None:
    answers = [
        operation["responses"][status]
        for path in DOCUMENT["paths"].values()
        for operation in path.values()
        for status in ("429", "503")
        if status in operation["responses"]
    ]
    assert len(answers) >= 14
    for answer in answers:
        assert answer["headers"]["Retry-After"]["required"] is True
        assert answer["content"]["application/problem+json"]["examples"]


def test_a_body_is_described_with_every_rule_that_it_is_read_by() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    item = schemas["OrderItemRequest"]["properties"]
    assert schemas["OrderRequest"]["additionalProperties"] is False
    assert item["productId"]["pattern"] == r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,63}$"
    assert item["quantity"].items() >= {"minimum": 1, "maximum": 1000}.items()
    assert schemas["OrderBody"]["properties"]["orderId"]["format"] == "uuid"


@pytest.mark.parametrize("path", ["/orders", "/products"])
def test_a_list_says_how_its_pages_are_asked_for(path: str) -> None:
    query = {one["name"]: one for one in DOCUMENT["paths"][path]["get"]["parameters"] if one["in"] == "query"}
    assert query["limit"]["schema"].items() >= {"minimum": 1, "maximum": 100, "default": 20}.items()
    assert query["cursor"]["schema"]["maxLength"] == 200
    assert not query["limit"]["required"]
    assert not query["cursor"]["required"]


@pytest.mark.parametrize("step", ["payment", "cancellation", "fulfilment"])
def test_a_step_of_an_orders_life_says_what_it_takes_and_what_may_come(step: str) -> None:
    door = DOCUMENT["paths"][f"/orders/{{order_id}}/{step}"]["post"]
    assert {"200", "401", "404", "409", "412", "422", "500", "503"} <= set(door["responses"])
    assert set(door["responses"]["200"]["headers"]) == {"ETag", "Idempotency-Replayed"}
    assert ("403" in door["responses"]) == (step != "cancellation")
    assert ("requestBody" in door) == (step == "payment")
    for name in ("If-Match", "Idempotency-Key"):
        header = {"name": name, "in": "header", "required": False}
        assert any(header.items() <= parameter.items() for parameter in door["parameters"])


def test_the_page_shows_how_to_call_a_door_that_takes_no_body() -> None:
    page = openapi_page(DOCUMENT)
    assert f"curl -i -X POST http://localhost:8000/orders/{schemas.ORDER.order_id}/cancellation" in page
    assert "curl -i http://localhost:8000/orders \\" in page


@pytest.mark.parametrize(
    "page", [openapi_page(DOCUMENT), problems_page(TITLE, shop_problems().listed())], ids=["docs", "problems"]
)
def test_a_page_loads_nothing_and_runs_nothing(page: str) -> None:
    assert not re.search(r"<(script|link|img|iframe|object)\b|@import|url\(|\son\w+=", page)
    assert re.findall(r"(?:href|src)='(?!/docs|#)[^']*'", page) == []
    assert "default-src 'none'" in DOCS_POLICY
    assert "unsafe" not in DOCS_POLICY


def test_what_is_wider_than_the_page_can_be_scrolled_without_a_mouse() -> None:
    """And each such region has a name of its own, by which it is found (WCAG 2.1.1, 4.1.2)."""
    page = openapi_page(DOCUMENT)
    labels = re.findall(r"<pre tabindex='0' role='region' aria-label='([^']+)'>", page)
    assert page.count("<pre") == len(labels) == len(set(labels)) > 10


def test_the_type_of_every_problem_leads_to_its_own_text() -> None:
    page = problems_page(TITLE, shop_problems().listed())
    for kind in shop_problems().listed():
        assert kind.url == f"/docs/problems#{kind.code}"
        assert f"id='{kind.code}'" in page
