"""The topology without its engine: frames in memory, one list of records in, three lists out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import EventMessage, headers_of
from contracts.sales import read_sales
from kits.schemas.registry import SchemaRegistry
from services.sales.stream.formats import EventFormats
from services.sales.stream.reading import MAX_EVENT_BYTES, OrderReading, Unreadable
from services.sales.stream.topology import Large, topology
from tests.sale_events import START, Placed, changed, counted, generated

Record = tuple[Any, Any, Any]
READING = OrderReading(EventFormats(SchemaRegistry(url=""), {}))
LARGE = Large(100_000)


class MemoryState:
    """services.sales.stream.topology.State of one key: what it holds has been through JSON."""

    def __init__(self, values: dict[tuple[Any, str], bytes], key: Any) -> None:
        self._values = values
        self._key = key

    def get(self, key: str, default: Any = None) -> Any:
        found = self._values.get((self._key, key))
        return default if found is None else msgspec.json.decode(found)

    def set(self, key: str, value: Any) -> None:
        self._values[self._key, key] = msgspec.json.encode(value)


class MemoryFrame:
    """services.sales.stream.topology.Frame: (value, key, headers) records, each step at once."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def apply(self, step: Any, *, stateful: bool = False, metadata: bool = False) -> "MemoryFrame":
        call = self._caller(step, stateful, metadata)
        return MemoryFrame([(call(*record), *record[1:]) for record in self.records])

    def filter(self, step: Any, *, stateful: bool = False, metadata: bool = False) -> "MemoryFrame":
        call = self._caller(step, stateful, metadata)
        return MemoryFrame([record for record in self.records if call(*record)])

    def group_by(self, key: Any, name: str, **serializers: str) -> "MemoryFrame":
        return MemoryFrame([(value, key(value), headers) for value, _, headers in self.records])

    def _caller(self, step: Any, stateful: bool, metadata: bool) -> Callable[..., Any]:
        values: dict[tuple[Any, str], bytes] = {}
        if stateful:
            return lambda value, key, _headers: step(value, MemoryState(values, key))
        if metadata:
            return lambda value, key, headers: step(value, key, 0, headers)
        return lambda value, _key, _headers: step(value)


def record_of(message: EventMessage, **changes: Any) -> Record:
    """A record as it stands in the log."""
    values = {"value": message.payload, "key": message.key, "headers": list(headers_of(message)), **changes}
    return values["value"], values["key"], values["headers"]


def streamed(
    records: Sequence[Record],
) -> tuple[dict[str, tuple[int, int, int]], list[bytes], list[Unreadable]]:
    """The newest totals by key, the large orders, and what was unreadable."""
    flow: Any = topology(MemoryFrame(records), READING, LARGE)
    newest: dict[str, tuple[int, int, int]] = {}
    for value, key, _ in flow.sales.records:
        sales = read_sales(key.encode(), value)
        # The version rule of every reader: the totals only grow.
        assert sales.orders == newest.get(key, (0,))[0] + 1
        newest[key] = sales.orders, sales.pieces, sales.revenue
    return (
        newest,
        [value for value, _, _ in flow.large.records],
        [each[0] for each in flow.unreadable.records],
    )


orders = st.builds(
    Placed,
    order_id=st.uuids(version=4).map(str),
    at=st.datetimes(
        min_value=START.replace(tzinfo=None, year=1990), max_value=START.replace(tzinfo=None, year=2090)
    ).map(lambda moment: moment.replace(tzinfo=START.tzinfo, microsecond=0)),
    currency=st.sampled_from(["KRW", "EUR", "USD"]),
    quantity=st.integers(1, 1000),
    price=st.integers(0, 10_000_000_000),
)


@given(st.lists(orders, max_size=30, unique_by=lambda order: order.order_id), st.data())
def test_any_order_of_events_with_any_repeats_makes_the_same_sums(
    placed: list[Placed], data: st.DataObject
) -> None:
    """Events of one order too may come in any order, and each as often as it likes."""
    events = [event for order in placed for event in (order.created(), order.paid())]
    more = data.draw(st.lists(st.sampled_from(events), max_size=20)) if events else []
    mixed = data.draw(st.permutations(events + more))
    sums, large, unreadable = streamed([record_of(event) for event in mixed])
    assert sums == counted(placed)
    assert sorted(msgspec.json.decode(event)["orderId"] for event in large) == sorted(
        order.order_id for order in placed if order.total > 100_000
    )
    assert unreadable == []


def test_large_orders_are_those_above_the_limit_as_they_came_and_marked() -> None:
    """Every member of the event stays, also those that this build does not know; the mark is ours."""
    one, other = generated(2, seed=1)
    at_the_limit = Placed(one.order_id, START, "KRW", 1, 100_000)
    above = Placed(other.order_id, START, "KRW", 1, 100_001)
    value = changed(above.created(), processed=False, shipping={"by": "air", "cost": 10**30})
    _, large, _ = streamed([record_of(at_the_limit.created()), record_of(above.created(), value=value)])
    assert [msgspec.json.decode(each) for each in large] == [
        {**msgspec.json.decode(value), "processed": True}
    ]


def test_the_minute_is_that_of_the_orders_own_time_in_utc() -> None:
    """An offset is taken away, seconds are cut off; when the broker got it does not matter."""
    order = Placed(generated(1, seed=1)[0].order_id, START, "KRW", 1, 5)
    for occurred_at, minute in (
        ("2026-11-21T00:30:59.999+09:00", "2026-11-20T15:30Z"),
        ("2026-11-21T07:00:00Z", "2026-11-21T07:00Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59Z"),
    ):
        sums, _, _ = streamed(
            [record_of(order.created(), value=changed(order.created(), occurredAt=occurred_at))]
        )
        assert sums == {f"{minute}/KRW": (1, 1, 5)}


def test_events_that_are_no_created_orders_are_nothing_to_the_sales() -> None:
    """An unknown type is ignored, and so is what this build does not know of a known one."""
    order = generated(1, seed=1)[0]
    message = order.created()
    unknown = changed(message, eventType="order.gift_wrapped", order=None)
    bent = changed(order.paid(), order="whatever")
    records = [record_of(message, value=unknown, headers=[]), record_of(order.paid(), value=bent)]
    assert streamed(records) == ({}, [], [])


A = generated(1, seed=1)[0].created()


def an_order(currency: str = "KRW", total: Any = 1, quantities: Sequence[int] = (1,)) -> bytes:
    """The event, of another order."""
    items = [{"quantity": quantity} for quantity in quantities]
    return changed(A, order={"currency": currency, "total": total, "items": items})


def at(occurred_at: str) -> bytes:
    """The event, of another time."""
    return changed(A, occurredAt=occurred_at)


UNREADABLE: list[tuple[str, str, dict[str, Any]]] = [
    ("not JSON", "undecodable_value", {"value": b"{"}),
    ("empty", "undecodable_value", {"value": b""}),
    ("null", "empty_value", {"value": None}),
    ("a list", "undecodable_value", {"value": b"[1]"}),
    ("of another format", "undecodable_value", {"value": b"\x00\x00\x00\x00\x01rest"}),
    ("too large", "too_large", {"value": b" " * (MAX_EVENT_BYTES + 1)}),
    ("nested too deep", "undecodable_value", {"value": b'{"eventId":' + b"[" * 100_000}),
    ("under another key", "other_key", {"key": b"another"}),
    ("without a key", "other_key", {"key": None}),
    ("with headers of another", "contradicting_headers", {"headers": [("ce_id", b"another")]}),
    ("with a header without value", "contradicting_headers", {"headers": [("ce_id", None)]}),
    ("of a later version", "unknown_version", {"value": changed(A, eventVersion=2), "headers": []}),
    ("without an order", "undecodable_value", {"value": changed(A, order=None)}),
    ("without lines", "undecodable_value", {"value": an_order(quantities=[])}),
    ("with a negative total", "undecodable_value", {"value": an_order(total=-1)}),
    ("with pieces that are none", "undecodable_value", {"value": an_order(quantities=[0])}),
    ("with a currency that is none", "undecodable_value", {"value": an_order(currency="K\x00W")}),
    ("with amounts as text", "undecodable_value", {"value": an_order(total="1")}),
    ("without a time", "undecodable_value", {"value": at("yesterday")}),
    ("with a time without offset", "undecodable_value", {"value": at("2026-11-21T07:00:00")}),
    ("beyond the calendar", "undecodable_value", {"value": at("0001-01-01T00:00:00+14:00")}),
]


@pytest.mark.parametrize(
    ("code", "changes"), [each[1:] for each in UNREADABLE], ids=[each[0] for each in UNREADABLE]
)
def test_a_record_of_which_nothing_can_be_made_is_kept_with_the_reason(
    code: str, changes: dict[str, Any]
) -> None:
    """The others go on; the bytes stay, unless they are too many."""
    good = generated(3, seed=2)
    records = [record_of(good[0].created()), record_of(A, **changes), record_of(good[1].created())]
    sums, _, unreadable = streamed(records)
    assert sums == counted(good[:2])
    ((found),) = unreadable
    assert found.code == code
    assert found.reason
    assert found.value == (None if code == "too_large" else records[1][0])


def test_amounts_of_any_size_are_added_exactly() -> None:
    """Beyond what fits into 64 bits too."""
    orders_ = [Placed(each.order_id, START, "KRW", 1, 2**63 - 1) for each in generated(5, seed=3)]
    sums, _, _ = streamed([record_of(order.created()) for order in orders_])
    assert sums == counted(orders_)


@given(
    st.binary(max_size=200), st.none() | st.binary(max_size=20), st.lists(st.tuples(st.text(), st.binary()))
)
def test_no_bytes_make_the_reader_fail(
    value: bytes, key: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    """Whatever a stranger writes is an answer, never an error that would stop the partition."""
    assert isinstance(READING.order_of(value, key, 0, headers), Unreadable)
