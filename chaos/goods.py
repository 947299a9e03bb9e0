"""What the campaign's shop sells: plenty of most, little of some, and coupons that run out."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

PLENTY, SCARCE = 1_000_000, 400
COUPON, COUPON_LIMIT, CUSTOMER_LIMIT = "FEW", 800, 25
EVERYONES_COUPON = "OPEN10"
STOCK: Mapping[str, int] = {f"p-{number}": SCARCE if number <= 4 else PLENTY for number in range(1, 21)}
CATALOGUE: Sequence[Mapping[str, Any]] = [
    *(
        {"type": "product", "id": one, "name": one, "price": 1000, "currency": "KRW", "stock": stock}
        for one, stock in STOCK.items()
    ),
    {"type": "coupon", "code": COUPON, "kind": "percent", "value": 10,
     "totalLimit": COUPON_LIMIT, "customerLimit": CUSTOMER_LIMIT},
    {"type": "coupon", "code": EVERYONES_COUPON, "kind": "percent", "value": 10},
]  # fmt: skip
CUSTOMERS = 40
_LIVES = (
    ("payment", "fulfilment"), ("cancellation",), ("payment",), (),
    ("payment", "payment"), ("cancellation", "payment"), ("payment", "fulfilment", "payment"),
)  # fmt: skip
"""What becomes of an order; without any step its time runs out. An order takes one payment."""


def an_order(rng: random.Random) -> dict[str, Any]:
    """The body of one request."""
    products = rng.sample(sorted(STOCK), rng.randint(1, 3))
    items = [{"productId": one, "quantity": rng.randint(1, 2)} for one in products]
    coupon = rng.choice([None, None, COUPON, EVERYONES_COUPON])
    return {"items": items, **({"couponCode": coupon} if coupon else {})}


def a_life(rng: random.Random) -> Sequence[str]:
    """The steps that its customer, the payment provider and the staff ask for."""
    return rng.choice(_LIVES)
