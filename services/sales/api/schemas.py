"""The shapes of the sales' bodies, and an example of each."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta


class MinuteBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was ordered in one minute, in one currency."""

    minute: Annotated[datetime, Meta(description="When it begins (UTC), by the orders' own times.")]
    currency: str
    orders: int
    pieces: int
    revenue: Annotated[int, Meta(description="The sum of the totals, in minor units of the currency.")]


class SalesBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One page of minutes, the oldest first; minutes without orders are not there."""

    items: list[MinuteBody]
    next: Annotated[str | None, Meta(description="The `cursor` of the next page; null on the last one.")]


SALES = SalesBody(
    items=[
        MinuteBody(
            minute=datetime(2026, 11, 21, 7, 0, tzinfo=UTC),
            currency="KRW",
            orders=2,
            pieces=5,
            revenue=57_630,
        )
    ],
    next=None,
)
