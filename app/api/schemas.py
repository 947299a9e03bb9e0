"""The shapes of the shop's HTTP bodies, and an example of each; amounts are integers in the minor unit."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.domain.coupon import normal_code
from app.domain.seller import SellerSource
from kits.patterns import whole

MAX_QUANTITY = 1000
COUPON_CODE = r"[A-Za-z0-9][A-Za-z0-9_\-]{0,31}"
MAX_TOTAL = 10**15
"""No order costs more: 100 products, 1,000 pieces of each, at the highest price."""
PRODUCT_ID = r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}"

ProductId = Annotated[str, Meta(pattern=whole(PRODUCT_ID), description="A product's id.", examples=["p-1"])]
MemberId = Annotated[str, Meta(pattern=whole("[!-~]{1,64}"), description="A member's id.", examples=["m-1"])]
CouponCode = Annotated[
    str,
    Meta(
        pattern=whole(rf"[ \t]*{COUPON_CODE}[ \t]*"),
        description="A coupon's code; case and blanks around it do not matter.",
        examples=["WELCOME10"],
    ),
]
ClientReference = Annotated[
    str,
    Meta(
        pattern=whole("[!-~]{1,64}"),
        description="The customer's own name for the order; no other order of theirs may have it.",
        examples=["cart-4711"],
    ),
]
Uuid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Amount = Annotated[int, Meta(description="In minor units of the currency.")]


class OrderItemRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """So many pieces of one product. The same product may be named again; the quantities are added."""

    product_id: ProductId
    quantity: Annotated[
        int, Meta(ge=1, le=MAX_QUANTITY, description="Pieces; at most 1,000 of one product in all.")
    ]


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The order to place. The customer is the token's subject."""

    items: Annotated[list[OrderItemRequest], Meta(min_length=1, max_length=100)]
    coupon_code: CouponCode | None = None
    client_reference: ClientReference | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        """However it was spelled, it is the same order."""
        if self.client_reference is None:
            # Left out when it is encoded: without one it is the body that it was before there were any.
            msgspec.structs.force_setattr(self, "client_reference", UNSET)
        if self.coupon_code is not None:
            msgspec.structs.force_setattr(self, "coupon_code", normal_code(self.coupon_code))


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What was taken for an order. The provider is the token's subject."""

    reference: Annotated[
        str,
        Meta(
            pattern=whole("[!-~]{1,128}"),
            description="The provider's own name for this payment; another payment has another one.",
            examples=["pay-4711"],
        ),
    ]
    amount: Annotated[int, Meta(ge=0, le=MAX_TOTAL, description="Its total, in minor units of the currency.")]
    currency: Annotated[str, Meta(pattern=whole("[A-Z]{3}"), description="The order's.", examples=["KRW"])]


class OrderLinks(msgspec.Struct, frozen=True, rename={"self_": "self"}):
    """Where to go on."""

    self_: Annotated[str, Meta(extra_json_schema={"format": "uri-reference"})]


class AcceptedOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An order that is stored. Its event is on the way to the data platform."""

    order_id: Uuid
    status: str
    currency: str
    subtotal: Amount
    discount: Amount
    total: Amount
    coupon_code: str | None
    client_reference: str | None
    created_at: datetime
    expires_at: Annotated[datetime, Meta(description="Until when it can be paid.")]
    links: OrderLinks


class OrderLineBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One product of an order, with name and price as they were when it was placed."""

    product_id: str
    name: str
    unit_price: Amount
    quantity: int


class OrderBody(AcceptedOrder, frozen=True, kw_only=True, rename="camel"):
    """An order as it stands; `version` grows with every change and is the ETag."""

    version: int
    items: list[OrderLineBody]
    customer_id: Annotated[str | UnsetType, Meta(description="Whose it is; shown to staff.")] = UNSET


class SellerBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The member who sells a product."""

    id: str
    name: Annotated[str, Meta(description="`Unknown Member` while it is not known.")]
    source: Annotated[
        SellerSource,
        Meta(
            description="Where the name is from: the shop's own copy, the Member API, an earlier answer"
            " of it, or nowhere."
        ),
    ]
    as_of: Annotated[
        datetime | None,
        Meta(
            description="When the member got this name (replica), or when their service was asked; null while"
            " it is not known."
        ),
    ]


class ProductBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop sells; `stock` is what is left now, `seller` null for what the shop sells itself."""

    id: str
    name: str
    price: Amount
    currency: str
    stock: int
    seller: SellerBody | None


class ProductPage(msgspec.Struct, frozen=True, kw_only=True):
    """Products in the order of their ids."""

    items: list[ProductBody]
    next: Annotated[str | None, Meta(description="The cursor of the next page, null on the last.")]


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, newest first; there may be few of them, or none, and a `next` page all the same."""

    items: list[OrderBody]
    next: Annotated[
        str | None, Meta(description="`after` of the next page; null alone says that this is the last.")
    ]


# One small story: an order of two products with a coupon.
_ID = "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91"
_PLACED = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
_EXPIRES = _PLACED + timedelta(minutes=15)
_LINKS = OrderLinks(f"/orders/{_ID}")

ORDER_REQUEST = OrderRequest(
    items=[OrderItemRequest(product_id="p-1", quantity=2), OrderItemRequest(product_id="p-2", quantity=1)],
    coupon_code="WELCOME10",
    client_reference="cart-4711",
)
PAYMENT_REQUEST = PaymentRequest(reference="pay-4711", amount=4500, currency="KRW")
ACCEPTED_ORDER = AcceptedOrder(
    order_id=_ID,
    status="PENDING",
    currency="KRW",
    subtotal=5000,
    discount=500,
    total=4500,
    coupon_code="WELCOME10",
    client_reference="cart-4711",
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
    client_reference="cart-4711",
    created_at=_PLACED,
    expires_at=_EXPIRES,
    links=_LINKS,
    items=[
        OrderLineBody(product_id="p-1", name="Espresso beans 1 kg", unit_price=1500, quantity=2),
        OrderLineBody(product_id="p-2", name="Filter papers", unit_price=2000, quantity=1),
    ],
)
ORDER_PAGE = OrderPage(items=[ORDER], next="MDE5ZjhlNmEtM2Q1Mi03YzFlLTliNGEtNWYwYzJkN2U4YTkx")
PRODUCT = ProductBody(
    id="p-1",
    name="Espresso beans 1 kg",
    price=1500,
    currency="KRW",
    stock=99_998,
    seller=SellerBody(id="m-1", name="Hong Gildong", source=SellerSource.REPLICA, as_of=_PLACED),
)
PRODUCT_PAGE = ProductPage(items=[PRODUCT], next="cC0x")
