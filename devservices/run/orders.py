"""The demonstration orders: real requests through the front door."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devservices.errors import JourneyError
from devservices.run.http import Answer, call

COUPON = "WELCOME10"


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """One order that was answered 202. `posted_at` is the wall clock in seconds at the POST."""

    order_id: str
    items: str
    coupon: str | None
    total: str
    posted_at: float
    answered_ms: float


# Which of the shop's first products an order takes, how many of each, and whether it uses the coupon.
ORDERS: Sequence[tuple[Sequence[tuple[int, int]], bool]] = (
    (((0, 2),), False),
    (((1, 1), (2, 3)), True),
    (((3, 1),), False),
    (((0, 1), (4, 2), (5, 1)), True),
    (((2, 5),), False),
)


def place_orders(api_url: str, token: str) -> list[PlacedOrder]:
    """Place the five orders, one after the other.

    Raises:
        JourneyError: the shop has no products, or refused an order.
    """
    products = _product_ids(api_url, token)
    return [_place(api_url, token, products, picks, use_coupon) for picks, use_coupon in ORDERS]


def _product_ids(api_url: str, token: str) -> list[str]:
    answer = call("GET", f"{api_url}/products", token=token)
    items = answer.body.get("items", []) if answer.status == 200 and isinstance(answer.body, dict) else []
    if not items:
        raise JourneyError(
            f"The shop has no products to order ({_words(answer)}): run `python -m app seed` on it."
        )
    return [item["id"] for item in items]


def _place(
    api_url: str, token: str, products: list[str], picks: Sequence[tuple[int, int]], use_coupon: bool
) -> PlacedOrder:
    quantities: dict[str, int] = {}
    for index, quantity in picks:
        product = products[index % len(products)]
        quantities[product] = quantities.get(product, 0) + quantity
    content: dict[str, Any] = {
        "items": [{"productId": product, "quantity": quantity} for product, quantity in quantities.items()]
    }
    if use_coupon:
        content["couponCode"] = COUPON
    posted_at = time.time()
    answer = call("POST", f"{api_url}/orders", token=token, content=content)
    if answer.status == 422 and use_coupon and answer.body.get("code") == "coupon_not_found":
        # A database of one's own need not have the demonstration coupon.
        return _place(api_url, token, products, picks, use_coupon=False)
    if answer.status != 202:
        raise JourneyError(f"An order was refused ({_words(answer)}): read the API's log.")
    return PlacedOrder(
        order_id=answer.body["orderId"],
        items=", ".join(f"{quantity} x {product}" for product, quantity in quantities.items()),
        coupon=COUPON if use_coupon else None,
        total=f"{answer.body.get('total')} {answer.body.get('currency', '')}".strip(),
        posted_at=posted_at,
        answered_ms=(time.time() - posted_at) * 1000,
    )


def _words(answer: Answer) -> str:
    detail = (
        answer.body.get("detail") or answer.body.get("title")
        if isinstance(answer.body, dict)
        else answer.body
    )
    return f"status {answer.status}, {str(detail)[:200]}"
