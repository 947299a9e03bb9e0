"""The shapes of what the shop's staff sends and gets, and an example of each; files say the same by line."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from app.api.schemas import Amount, MemberId, Uuid
from app.application.stock_keeping import LARGEST_STOCK
from app.domain.coupon import CouponKind
from app.domain.money import MAX_PRICE
from kits.patterns import whole

_LARGEST_LIMIT = 2_000_000_000

Name = Annotated[str, Meta(min_length=1, max_length=200, description="Printable characters, not blank.")]
Currency = Annotated[str, Meta(pattern=whole("[A-Z]{3}"))]
Price = Annotated[int, Meta(ge=0, le=MAX_PRICE, description="In minor units of the currency.")]
Limit = Annotated[int, Meta(ge=1, le=_LARGEST_LIMIT)]
Moment = Annotated[datetime, Meta(tz=True)]


class ProductTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a product is called and costs, and the member who sells it; null for the shop's own."""

    name: Name
    price: Price
    currency: Currency
    seller_id: MemberId | None = None


class CouponTerms(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a coupon takes off, and when; without a limit there is none.

    `value` is per cent (1-100) or, of kind fixed, minor units. `currency` is needed for kind fixed and with a
    `minimumSubtotal`.
    """

    kind: CouponKind
    value: Annotated[int, Meta(ge=1, le=MAX_PRICE)]
    currency: Currency | None = None
    minimum_subtotal: Price = 0
    valid_from: Moment | None = None
    valid_until: Annotated[Moment | None, Meta(description="From then on it is not valid any more.")] = None
    total_limit: Annotated[Limit | None, Meta(description="How often it may be used in all.")] = None
    customer_limit: Annotated[Limit | None, Meta(description="How often by one customer.")] = None


class CatalogueProduct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A product as it is kept."""

    id: str
    name: str
    price: Amount
    currency: str
    seller_id: str | None
    stock: int


class CatalogueCoupon(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A coupon as it is kept; `used` counts its uses, without those of cancelled and expired orders."""

    code: str
    kind: CouponKind
    value: int
    currency: str | None
    minimum_subtotal: Amount
    valid_from: datetime | None
    valid_until: datetime | None
    total_limit: int | None
    customer_limit: int | None
    used: int


class MovementRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """So many pieces more, or with a minus fewer, and why."""

    quantity: Annotated[
        int,
        Meta(ge=-LARGEST_STOCK, le=LARGEST_STOCK, extra_json_schema={"not": {"const": 0}}),
    ]
    reason: Annotated[
        str, Meta(min_length=1, max_length=200, description="Printable characters, not blank; kept.")
    ]


class MovementBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A movement of stock that is done; `stock` is what it left, `by` the subject who did it."""

    movement_id: Uuid
    product_id: str
    quantity: int
    stock: int
    reason: str
    at: datetime
    by: str


class MovementPage(msgspec.Struct, frozen=True, kw_only=True):
    """Movements of one product, newest first."""

    items: list[MovementBody]
    next: Annotated[str | None, Meta(description="`after` of the next page, null on the last.")]


PRODUCT_TERMS = ProductTerms(name="Espresso beans 1 kg", price=1500, currency="KRW", seller_id="m-1")
CATALOGUE_PRODUCT = CatalogueProduct(
    id="p-1", name="Espresso beans 1 kg", price=1500, currency="KRW", seller_id="m-1", stock=99_998
)
COUPON_TERMS = CouponTerms(
    kind=CouponKind.FIXED,
    value=1000,
    currency="KRW",
    minimum_subtotal=5000,
    valid_from=datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
    valid_until=datetime(2027, 1, 1, tzinfo=UTC),
    total_limit=100,
    customer_limit=1,
)
CATALOGUE_COUPON = CatalogueCoupon(code="WINTER", used=3, **msgspec.structs.asdict(COUPON_TERMS))
MOVEMENT_REQUEST = MovementRequest(quantity=-2, reason="broken in the store")
MOVEMENT = MovementBody(
    movement_id="019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a92",
    product_id="p-1",
    quantity=-2,
    stock=99_998,
    reason="broken in the store",
    at=datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
    by="anna",
)
MOVEMENT_PAGE = MovementPage(items=[MOVEMENT], next="MDE5ZjhlNmEtM2Q1Mi03YzFlLTliNGEtNWYwYzJkN2U4YTky")
