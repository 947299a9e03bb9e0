"""Stream, the topology: pure functions, and how they stand one behind the other."""

from typing import Any, NamedTuple, Protocol

import msgspec

from contracts.sales import SalesOfMinuteV1, encode_sales, key_of
from services.sales.stream.reading import CreatedOrder, Headers, OrderReading, Unreadable


class State(Protocol):
    """What a step remembers under its record's key, in the transaction of its record."""

    def get(self, key: str, default: Any = None) -> Any:
        """What was set, else the default."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Remember; the value is a JSON value."""
        ...


class Frame(Protocol):
    """Of the engine's frames what the topology uses (quixstreams.StreamingDataFrame)."""

    def apply(self, step: Any, *, stateful: bool = False, metadata: bool = False) -> "Frame":
        """Each value is replaced by what the step makes of it."""
        ...

    def filter(self, step: Any, *, stateful: bool = False, metadata: bool = False) -> "Frame":
        """Values go on of which the step says True."""
        ...

    def group_by(self, key: Any, name: str, **serializers: str) -> "Frame":
        """Values go on under another key, in that key's partition."""
        ...


class Flow(NamedTuple):
    """The three ends of the topology, each to be written to its topic."""

    unreadable: Frame
    large: Frame
    sales: Frame


class Sale(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One order on its way to its minute's partition."""

    order_id: str
    minute: str
    currency: str
    pieces: int
    total: int


class Large(NamedTuple):
    """Keeps created orders whose total is above this many minor units of their own currency."""

    above: int

    def holds(self, order: CreatedOrder) -> bool:
        """Whether it is kept."""
        return order.total > self.above


def topology(records: Frame, reading: OrderReading, large: Large) -> Flow:
    """From the records of `order-events` (bytes) to bytes; what is unreadable stays as it was found."""
    found = records.apply(reading.order_of, metadata=True)
    once = found.filter(is_created).filter(first_of_its_seq, stateful=True)
    by_minute = once.apply(sale_of).group_by(
        minute_key,
        name="minute",
        key_serializer="str",
        key_deserializer="str",
        value_serializer="bytes",
        value_deserializer="bytes",
    )
    return Flow(
        unreadable=found.filter(is_unreadable),
        large=once.filter(large.holds).apply(mark_processed),
        sales=by_minute.apply(read_sale, metadata=True).filter(is_sale).apply(add_sale, stateful=True),
    )


_sale = msgspec.json.Decoder(Sale)
_encode = msgspec.json.Encoder().encode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE = msgspec.Raw(b"true")


def is_unreadable(found: CreatedOrder | Unreadable | None) -> bool:
    """For the dead letters."""
    return isinstance(found, Unreadable)


def is_created(found: CreatedOrder | Unreadable | None) -> bool:
    """For all the rest of the topology."""
    return isinstance(found, CreatedOrder)


def first_of_its_seq(order: CreatedOrder, state: State) -> bool:
    """Whether this number of this order comes for the first time; the state's key is the order's id.

    It costs one entry per order, for as long as the build lives: a repeat may come at any time.
    """
    number = str(order.seq)
    if state.get(number) is not None:
        return False
    state.set(number, 1)
    return True


def mark_processed(order: CreatedOrder) -> bytes:
    """The event as it came, with `"processed": true`."""
    return _encode({**_members.decode(order.event), "processed": _TRUE})


def sale_of(order: CreatedOrder) -> bytes:
    """What goes to the minute's partition: the fewer bytes, the better."""
    return _encode(Sale(order.order_id, order.minute, order.currency, order.pieces, order.total))


def minute_key(sale: bytes) -> str:
    """The key that brings all sales of a minute and currency to one partition."""
    found = _sale.decode(sale)
    return key_of(found.minute, found.currency)


def read_sale(value: bytes | None, key: Any, _timestamp: int, _headers: Headers) -> Sale | None:
    """A sale that `minute_key` brought here; None for what a stranger wrote."""
    try:
        sale = _sale.decode(value or b"")
    except (msgspec.DecodeError, ValueError):
        return None
    is_ours = key == key_of(sale.minute, sale.currency) and sale.pieces >= 1 and sale.total >= 0
    return sale if is_ours else None


def is_sale(found: Sale | None) -> bool:
    """For the totals."""
    return found is not None


def add_sale(sale: Sale, state: State) -> bytes:
    """The minute's new totals; the state's key is the minute and currency."""
    orders, pieces, revenue = state.get("totals", (0, 0, 0))
    totals = orders + 1, pieces + sale.pieces, revenue + sale.total
    state.set("totals", totals)
    orders, pieces, revenue = totals
    return encode_sales(
        SalesOfMinuteV1(
            minute=sale.minute, currency=sale.currency, orders=orders, pieces=pieces, revenue=revenue
        )
    )
