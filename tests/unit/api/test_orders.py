"""Placing an order: what the request becomes before the use case sees it."""

import pytest

from app.api.order_requests import merged_items
from app.api.schemas import OrderItemRequest
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
