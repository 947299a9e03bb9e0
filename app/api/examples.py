"""One small story for the documentation: an order of two products with a coupon."""

from datetime import UTC, datetime, timedelta

import msgspec

from app.api.schemas import (
    AcceptedOrder,
    OrderBody,
    OrderItemRequest,
    OrderLineBody,
    OrderLinks,
    OrderPage,
    OrderRequest,
    ProductBody,
    ProductPage,
)

_ID = "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91"
_PLACED = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
_EXPIRES = _PLACED + timedelta(minutes=15)
_LINKS = OrderLinks(f"/orders/{_ID}")

ORDER_REQUEST = OrderRequest(
    items=[OrderItemRequest(product_id="p-1", quantity=2), OrderItemRequest(product_id="p-2", quantity=1)],
    coupon_code="WELCOME10",
)
ACCEPTED_ORDER = AcceptedOrder(
    order_id=_ID,
    status="PENDING",
    currency="KRW",
    subtotal=5000,
    discount=500,
    total=4500,
    coupon_code="WELCOME10",
    created_at=_PLACED,
    expires_at=_EXPIRES,
    links=_LINKS,
)
ORDER = OrderBody(
    order_id=_ID,
    status="PENDING",
    version=1,
    currency="KRW",
    subtotal=5000,
    discount=500,
    total=4500,
    coupon_code="WELCOME10",
    created_at=_PLACED,
    expires_at=_EXPIRES,
    links=_LINKS,
    items=[
        OrderLineBody(product_id="p-1", name="Espresso beans 1 kg", unit_price=1500, quantity=2),
        OrderLineBody(product_id="p-2", name="Filter papers", unit_price=2000, quantity=1),
    ],
)
PAID_ORDER = msgspec.structs.replace(ORDER, status="PAID", version=2)
FULFILLED_ORDER = msgspec.structs.replace(ORDER, status="FULFILLED", version=3)
CANCELLED_ORDER = msgspec.structs.replace(ORDER, status="CANCELLED", version=2)
ORDER_PAGE = OrderPage(items=[PAID_ORDER], next="MDE5ZjhlNmEtM2Q1Mi03YzFlLTliNGEtNWYwYzJkN2U4YTkx")
PRODUCT = ProductBody(id="p-1", name="Espresso beans 1 kg", price=1500, currency="KRW", stock=99_998)
PRODUCT_PAGE = ProductPage(items=[PRODUCT], next="cC0x")
