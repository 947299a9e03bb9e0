"""Every door that the document names, also those to come: bad input is refused cleanly and does nothing."""

import pytest

from app.main import create_app
from kits.web.documents.openapi import openapi_document
from tests.integration.api.bad_input import BadRequest, bad_requests
from tests.integration.api.conftest import Shop
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of

SCOPES = ["orders:fulfil", "orders:pay", "orders:read", "catalogue:write"]
STAFF = f"Bearer {a_token('c-1', scopes=SCOPES)}"
DOCUMENT = openapi_document(create_app(container_of(InMemoryShop())))
FOUND = bad_requests(DOCUMENT, STAFF)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("bad", FOUND, ids=str)
async def test_bad_input_gets_a_clean_refusal_at_every_door(shop: Shop, bad: BadRequest) -> None:
    reply = await shop.send(bad.sent)
    assert 400 <= reply.status < 500
    reply.problem()
    assert shop.behind.commands == []
    assert (shop.behind.catalogue.audit, shop.behind.catalogue.done) == ([], {})
    if bad.in_body:
        assert reply.status in {400, 413, 415, 422}
    assert (await shop.get("/products")).status == 200


def test_every_door_gets_some_and_a_body_gets_many() -> None:
    """A generator that finds nothing proves nothing."""
    doors = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
    found = [bad.door for bad in FOUND]
    assert min(found.count(door) for door in doors) >= 7
    assert sum(bad.in_body for bad in FOUND if bad.door == "POST /orders") >= 50
