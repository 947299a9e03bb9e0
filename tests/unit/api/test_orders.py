"""Placing an order: what the request becomes before the use case sees it."""

from hashlib import blake2b

import msgspec
import pytest

from app.api.idempotency import idempotency_key
from app.api.order_requests import merged_items
from app.api.schemas import OrderItemRequest, OrderRequest
from app.application.commands import RequestedItem
from kits.web.problems.details import ProblemError


def items(*pairs: tuple[str, int]) -> list[OrderItemRequest]:
    return [OrderItemRequest(product_id=product, quantity=quantity) for product, quantity in pairs]


def test_the_same_product_twice_is_one_item_at_its_first_place() -> None:
    assert merged_items(items(("p-2", 1), ("p-1", 2), ("p-2", 3))) == (
        RequestedItem("p-2", 4),
        RequestedItem("p-1", 2),
    )


def test_the_limit_of_pieces_holds_after_merging_too() -> None:
    assert merged_items(items(("p-1", 999), ("p-1", 1))) == (RequestedItem("p-1", 1000),)
    with pytest.raises(ProblemError) as refused:
        merged_items(items(("p-1", 999), ("p-2", 1), ("p-1", 2)))
    assert refused.value.code == "invalid_request"
    assert refused.value.errors[0].pointer == "#/items/2/quantity"


@pytest.mark.parametrize("more", [{}, {"clientReference": None}])
def test_a_body_without_a_reference_is_the_request_that_it_was_before_there_were_any(
    more: dict[str, None],
) -> None:
    """A key that one build has stored names the same request for the next."""
    item = {"productId": "p-1", "quantity": 2}
    body = msgspec.convert({"items": [item], **more}, OrderRequest)
    before = b'{"items":[{"productId":"p-1","quantity":2}],"couponCode":null}'
    key = idempotency_key([(b"idempotency-key", b"k-1")], body)
    assert key is not None
    assert key.request_hash == blake2b(before, digest_size=32).digest()
    named = msgspec.convert({"items": [item], "clientReference": "r-1"}, OrderRequest)
    other = idempotency_key([(b"idempotency-key", b"k-1")], named)
    assert other is not None
    assert other.request_hash != key.request_hash
