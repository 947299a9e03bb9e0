"""order.created v1 on the wire: what is promised to every reader, byte for byte."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import msgspec
import pytest

from app.application.order_contracts import OrderContracts
from app.domain.coupon import CouponKind
from app.domain.events import OrderCreatedEvent
from contracts.envelope import Envelope, EventMessage, UnreadableEventError, headers_of, read_envelope
from contracts.json_schemas import schema_file, schema_text
from contracts.order_events import SCHEMAS, OrderCreatedV1
from tests.builders import a_coupon, a_product, an_order

GOLDEN = Path(__file__).with_name("golden")
EVENT_ID = "0199aaaa-0000-7000-8000-000000000001"
ORDER_ID = "0199aaaa-0000-7000-8000-0000000000aa"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def the_message(*, coupon: bool = True) -> EventMessage:
    """An order of two products, with a coupon of ten per cent unless it goes without."""
    order = an_order((a_product("p-1", price=15_000), 2), (a_product("p-2", price=700), 1))
    if coupon:
        order = order.discounted_by(a_coupon(kind=CouponKind.PERCENT, value=10))
    order = replace(order, id=ORDER_ID)
    return OrderContracts(lambda: EVENT_ID).message(OrderCreatedEvent(order), TRACEPARENT)


@pytest.mark.parametrize(
    ("golden", "coupon"), [("order.created.v1.json", True), ("order.created.v1.no-coupon.json", False)]
)
def test_the_bytes_are_those_of_the_golden_file(golden: str, coupon: bool) -> None:
    """A change that breaks this breaks a reader: make a new version instead."""
    assert the_message(coupon=coupon).payload == (GOLDEN / golden).read_bytes().rstrip(b"\n")


def test_the_headers_are_cloudevents_in_binary_mode() -> None:
    """A reader can route and deduplicate without opening the body."""
    assert dict(headers_of(the_message())) == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT_ID.encode(),
        "ce_source": b"/order-pipeline/orders",
        "ce_type": b"order.created.v1",
        "ce_time": b"2026-11-21T07:00:00.000Z",
        "ce_subject": ORDER_ID.encode(),
        "content-type": b"application/json",
        "order_seq": b"1",
        "traceparent": TRACEPARENT.encode(),
    }


def test_the_key_is_the_order_id() -> None:
    """One order, one partition, one order of events."""
    assert the_message().key == ORDER_ID.encode()


@pytest.mark.parametrize("ce_type", SCHEMAS)
def test_the_committed_schema_is_that_of_the_struct(ce_type: str) -> None:
    """After a change: `python -m contracts`, and look at the difference."""
    assert schema_file(ce_type).read_text(encoding="utf-8") == schema_text(ce_type)


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("order.created.v1*.json")), ids=lambda path: path.name)
def test_golden_events_are_valid_by_the_schema_and_readable(golden: Path) -> None:
    """The three descriptions of one contract agree."""
    schema = json.loads(schema_file("order.created.v1").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(golden.read_bytes()))
    event = msgspec.json.decode(golden.read_bytes(), type=OrderCreatedV1)
    assert event.order.discount + event.order.total == event.order.subtotal


def test_a_reader_ignores_fields_that_it_does_not_know() -> None:
    """Fields may be added within a version."""
    event = json.loads(the_message().payload) | {"channel": "app"}
    assert read_envelope(json.dumps(event).encode(), ()).order_id == ORDER_ID


def test_an_unknown_event_type_of_a_known_version_is_readable() -> None:
    """A reader that only forwards needs no new build for it."""
    event = json.loads(the_message().payload) | {"eventType": "order.gift_wrapped"}
    assert read_envelope(json.dumps(event).encode(), ()).event_type == "order.gift_wrapped"


def body(**changes: object) -> bytes:
    """The event with some fields changed."""
    return json.dumps(json.loads(the_message().payload) | changes).encode()


@pytest.mark.parametrize(
    ("value", "headers", "code"),
    [
        pytest.param(None, (), "empty_value", id="null value"),
        pytest.param(b"", (), "undecodable_value", id="no bytes"),
        pytest.param(b"\xff\xfe{}", (), "undecodable_value", id="not UTF-8"),
        pytest.param(b"[]", (), "undecodable_value", id="not an object"),
        pytest.param(b"[" * 200_000, (), "undecodable_value", id="deeply nested"),
        pytest.param(body(seq=0), (), "undecodable_value", id="seq below one"),
        pytest.param(body(orderId="a\u0000b"), (), "undecodable_value", id="NUL in an id"),
        pytest.param(body(orderId="abc\n"), (), "undecodable_value", id="line end in an id"),
        pytest.param(body(eventVersion=2), (), "unknown_version", id="unknown version"),
        pytest.param(
            body(), (("ce_id", b"another"),), "contradicting_headers", id="another id in the header"
        ),
        pytest.param(body(), (("order_seq", b"2"),), "contradicting_headers", id="another seq in the header"),
    ],
)
def test_what_cannot_be_understood_says_so_with_a_code(
    value: bytes | None, headers: tuple[tuple[str, bytes], ...], code: str
) -> None:
    """Each of these becomes a dead letter, and the partition goes on."""
    with pytest.raises(UnreadableEventError) as unreadable:
        read_envelope(value, headers)
    assert unreadable.value.code == code


def test_the_envelope_is_part_of_every_event() -> None:
    """Whatever its type."""
    assert all(issubclass(event, Envelope) for event in SCHEMAS.values())
