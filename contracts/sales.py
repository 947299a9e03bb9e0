"""Contract: what the sales stream tells: the sales of every minute, large orders, and its dead letters."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec

from contracts.envelope import UnreadableEventError, repeated_member
from contracts.order_events import MinorUnits, Pieces
from contracts.topics import TOPIC_CONFIG
from kits.patterns import whole

ANALYTICS_GROUP = "cg-analytics"
"""The consumer group that makes the sales out of `order-events`."""

ORDER_SALES_PER_MINUTE = "order-sales-per-minute"
"""Running totals, one newest record per minute and currency; key = `2026-11-21T07:00Z/KRW`. Compacted."""

ORDERS_LARGE = "orders.large"
"""Created orders above a total, as on `order-events` with `"processed": true`; key = order id as text."""

ORDER_SALES_DLQ = "order-sales.dlq"
"""Records of `order-events` of which nothing can be made: same key and bytes, plus `dlq_*` headers."""

SALES_TOPIC_CONFIG: Mapping[str, str] = {
    # The newest totals of every minute stay for ever: a reader makes its table from the topic alone.
    "cleanup.policy": "compact",
}
LARGER_RECORDS: Mapping[str, str] = {**TOPIC_CONFIG, "max.message.bytes": str(2 * 1_048_576)}
"""For topics whose records are those of `order-events` and something more."""

CurrencyCode = Annotated[str, msgspec.Meta(pattern=whole("[!-~]{3}"))]
"""Three visible ASCII characters, which every key, table and address can hold."""

_MINUTE = "%Y-%m-%dT%H:%MZ"


class SalesOfMinuteV1(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was ordered in one minute (UTC) of the orders' own times, in one currency.

    The totals only grow: of two records of one key the one with more `orders` is the newer.
    """

    minute: str
    currency: CurrencyCode
    orders: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    pieces: Pieces
    revenue: MinorUnits

    @property
    def key(self) -> str:
        """Kafka's key."""
        return key_of(self.minute, self.currency)


def key_of(minute: str, currency: str) -> str:
    """Kafka's key of a minute's sales: amounts of different currencies are never added."""
    return f"{minute}/{currency}"


def minute_of(occurred_at: str) -> str:
    """The minute of a moment (RFC 3339, any offset), in UTC: `2026-11-21T07:00Z`.

    Raises:
        ValueError: it is no moment, or has no offset.
    """
    moment = datetime.fromisoformat(occurred_at)
    if moment.tzinfo is None:
        raise ValueError("The time has no offset.")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("The time is beyond the calendar.") from None
    return f"{moment.year:04}-{moment:%m-%dT%H:%MZ}"


def start_of(minute: str) -> datetime:
    """When a minute begins. Raises: ValueError: it is not written as `minute_of` does it."""
    start = datetime.strptime(minute, _MINUTE).replace(tzinfo=UTC)
    if f"{start.year:04}-{start:%m-%dT%H:%MZ}" != minute:
        raise ValueError("A minute is written as 2026-11-21T07:00Z.")
    return start


def whole_minute(moment: datetime) -> datetime:
    """The start of the minute that a moment lies in."""
    return moment - timedelta(seconds=moment.second, microseconds=moment.microsecond)


_sales = msgspec.json.Decoder(SalesOfMinuteV1, strict=True)
encode_sales = msgspec.json.Encoder().encode


def read_sales(key: bytes | None, value: bytes | None) -> SalesOfMinuteV1:
    """Read a record of `order-sales-per-minute`.

    Raises:
        UnreadableEventError: it is not a minute's sales, or its key is not that minute and currency.
    """
    try:
        sales = _sales.decode(value or b"")
        repeated = repeated_member(value or b"")
        start_of(sales.minute)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UnreadableEventError("undecodable_value", f"Not the sales of a minute: {error}") from error
    if repeated or sales.pieces < sales.orders:
        raise UnreadableEventError("undecodable_value", "Not the sales of a minute: it contradicts itself.")
    if key != sales.key.encode():
        raise UnreadableEventError("contradicting_key", "The key is not its minute and currency.")
    return sales
