"""The shapes of a quote's answer, and an example of it; amounts are integers in the minor unit."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.api.schemas import Amount, OrderLineBody


class QuotedLineBody(OrderLineBody, frozen=True, kw_only=True, rename="camel"):
    """One product of the order, with name and price as they are now."""

    line_total: Amount
    available: Annotated[int, Meta(description="Pieces that are left now.")]
    enough: bool


class QuoteProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What keeps the order from being placed now, with the code and the facts of its refusal."""

    code: str
    detail: str
    product: str | UnsetType = UNSET
    available: int | UnsetType = UNSET
    coupon: str | UnsetType = UNSET
    minimum: int | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    order_id: str | UnsetType = UNSET


class QuotedCouponBody(msgspec.Struct, frozen=True, kw_only=True):
    """The coupon that was asked about; `reason` says why it does not apply."""

    code: str
    applicable: bool
    reason: QuoteProblem | None


class QuoteBody(msgspec.Struct, frozen=True, kw_only=True):
    """What the order would cost if it were placed now; nothing is taken or kept for it."""

    orderable: Annotated[bool, Meta(description="Whether nothing stands against it: `problems` is empty.")]
    currency: str
    subtotal: Amount
    discount: Amount
    total: Amount
    lines: list[QuotedLineBody]
    coupon: QuotedCouponBody | None
    problems: list[QuoteProblem]


_REASON = QuoteProblem(
    code="coupon_not_applicable",
    detail="Coupon BULK needs an order of at least 10000.",
    coupon="BULK",
    minimum=10_000,
)
QUOTE = QuoteBody(
    orderable=False,
    currency="KRW",
    subtotal=3000,
    discount=0,
    total=3000,
    lines=[
        QuotedLineBody(
            product_id="p-1",
            name="Espresso beans 1 kg",
            unit_price=1500,
            quantity=2,
            line_total=3000,
            available=1,
            enough=False,
        )
    ],
    coupon=QuotedCouponBody(code="BULK", applicable=False, reason=_REASON),
    problems=[
        QuoteProblem(code="out_of_stock", detail="Product p-1 has only 1 left.", product="p-1", available=1),
        _REASON,
    ],
)
