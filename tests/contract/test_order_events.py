"""The events of an order on the wire: what is promised to every reader, byte for byte."""

import json
from pathlib import Path

import jsonschema
import jsonschema_rs
import msgspec
import pytest

from contracts.envelope import Envelope, UnreadableEventError, headers_of, read_envelope
from contracts.json_schemas import schema_file, schema_text
from contracts.order_events import SCHEMAS, OrderCreatedV1, OrderPaidV1, skip_notice_id
from tests.contract import golden_files
from tests.contract.golden_files import (
    EVENT_ID,
    GOLDEN,
    GOLDEN_FILES,
    LIVES,
    MEMBER_EVENTS,
    ORDER_ID,
    SKIPPED,
    SKIPPED_FILES,
    TRACEPARENT,
    golden_file,
    skipped_bytes,
    the_message,
)


@pytest.mark.parametrize(("event_type", "coupon"), GOLDEN_FILES)
def test_the_bytes_are_those_of_the_golden_file(event_type: str, coupon: bool) -> None:
    """An optional field more: see golden_files. Any other change breaks a reader: make a new version."""
    golden = golden_file(event_type, coupon=coupon)
    assert the_message(event_type, coupon=coupon).payload == golden.read_bytes().rstrip(b"\n")


def test_every_event_has_golden_files_and_every_golden_file_an_event() -> None:
    """A new contract is not done without its bytes."""
    assert {SKIPPED, *(f"{event_type}.v1" for event_type in LIVES)} == set(SCHEMAS)
    expected = {golden_file(event_type, coupon=coupon) for event_type, coupon in GOLDEN_FILES}
    others = {*SKIPPED_FILES, *(f"{ce_type}.json" for ce_type in MEMBER_EVENTS)}
    assert set(GOLDEN.glob("*.json")) == expected | {GOLDEN / name for name in others}


@pytest.mark.parametrize(("name", "skipped_event_id"), SKIPPED_FILES.items())
def test_a_skipped_number_is_told_as_the_golden_file_says(name: str, skipped_event_id: str | None) -> None:
    """With the event that was given up, or with null where nobody ever saw one."""
    golden = (GOLDEN / name).read_bytes()
    assert skipped_bytes(skipped_event_id) == golden.rstrip(b"\n")
    schema = json.loads(schema_file(SKIPPED).read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(golden))
    assert read_envelope(golden, ()).seq == 2


def test_a_skip_is_told_under_one_id_however_often() -> None:
    """A repeat is dropped by its key; another group, order or number has another one."""
    ids = {skip_notice_id(*of) for of in [("g", "o", 1), ("g", "o", 2), ("g", "p", 1), ("h", "o", 1)]}
    assert len(ids) == 4
    assert skip_notice_id("g", "o", 1) in ids


@pytest.mark.parametrize("event_type", LIVES)
def test_type_and_seq_are_in_the_headers_too(event_type: str) -> None:
    """A reader can route and put in order without opening the body."""
    headers = dict(headers_of(the_message(event_type)))
    assert headers["ce_type"].decode() == f"{event_type}.v1"
    assert int(headers["order_seq"]) == 1 + len(LIVES[event_type])


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


@pytest.mark.parametrize(("event_type", "coupon"), GOLDEN_FILES)
def test_golden_events_are_valid_by_the_schema_and_readable(event_type: str, coupon: bool) -> None:
    """The three descriptions of one contract agree."""
    golden = golden_file(event_type, coupon=coupon).read_bytes()
    schema = json.loads(schema_file(f"{event_type}.v1").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(golden))
    order = msgspec.to_builtins(msgspec.json.decode(golden, type=SCHEMAS[f"{event_type}.v1"]))["order"]
    assert order["discount"] + order["total"] == order["subtotal"]


@pytest.mark.parametrize("ce_type", SCHEMAS)
@pytest.mark.parametrize(
    "changes",
    [
        {"eventType": "order.delivered"},
        {"eventType": "order.created\n"},
        {"eventType": ""},
        {"eventVersion": 7},
        {"eventVersion": "1"},
        {"occurredAt": "yesterday"},
        {"occurredAt": "2026-11-21 07:00:00.000Z"},
        {"occurredAt": "2026-11-21T07:00:00.000+09:00"},
        {"occurredAt": "2026-13-41T07:00:00.000Z"},
        {"eventId": "one"},
        {"orderId": "one"},
        {"orderId": None},
    ],
)
def test_a_schema_is_bound_to_its_event_and_to_the_forms_that_are_written(
    ce_type: str, changes: dict[str, object]
) -> None:
    """A validator that asserts formats refuses another type, version, time or id; more it ignores."""
    schema = json.loads(schema_file(ce_type).read_text())
    strict = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    event = json.loads((GOLDEN / f"{ce_type}.json").read_bytes())
    assert strict.is_valid(event | {"channel": {"added": "later"}})
    assert not strict.is_valid(event | changes)


@pytest.mark.parametrize("ce_type", SCHEMAS)
def test_no_other_event_is_valid_by_a_schema(ce_type: str) -> None:
    """Not even one that differs in nothing but its name."""
    schema = jsonschema.Draft202012Validator(json.loads(schema_file(ce_type).read_text()))
    event = json.loads((GOLDEN / f"{ce_type}.json").read_bytes())
    for other in SCHEMAS:
        named = event | {"eventType": other.removesuffix(".v1")}
        assert schema.is_valid(named) == (other == ce_type)


def test_an_order_of_before_there_were_references_has_none() -> None:
    """Its event is read as it was written."""
    golden = golden_file("order.created", coupon=True).read_bytes()
    before = golden.replace(b',"clientReference":null', b"")
    assert before != golden
    read = msgspec.json.decode(before, type=OrderCreatedV1)
    assert (read.order.client_reference, read.order.total) == (None, 27630)
    schema = json.loads(schema_file("order.created.v1").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(before))


@pytest.mark.parametrize("event_type", ["order.cancelled", "order.expired"])
def test_an_order_that_ends_unpaid_tells_what_it_released(event_type: str) -> None:
    """All pieces of all lines, and the coupon if there was one."""
    released = json.loads(the_message(event_type).payload)["order"]["released"]
    assert released == {
        "items": [{"productId": "p-1", "quantity": 2}, {"productId": "p-2", "quantity": 1}],
        "couponCode": "WELCOME10",
    }


@pytest.mark.parametrize("event_type", ["order.paid", "order.payment_refused"])
def test_a_payment_is_told_by_its_provider_and_reference(event_type: str) -> None:
    """What is to be given back also by its amount."""
    payment = json.loads(the_message(event_type).payload)["order"]["payment"]
    amount = {"amount": 27_630, "currency": "KRW"} if event_type == "order.payment_refused" else {}
    assert payment == {"provider": "psp-1", "reference": "pay-4711"} | amount


def test_an_order_that_an_earlier_build_has_told_to_be_paid_is_readable() -> None:
    """Without its payment."""
    event = json.loads(the_message("order.paid").payload)
    del event["order"]["payment"]
    read = msgspec.json.decode(json.dumps(event), type=OrderPaidV1)
    assert (read.order.status, read.order.payment) == ("PAID", None)


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


class Read(msgspec.Struct, frozen=True):
    """What a reader of the made-up event below knows, with a field that is new."""

    a: int
    items: list[dict[str, int]]
    new: int = 0


class ReadWithMore(Read, frozen=True, kw_only=True):
    """One that cannot do without it."""

    new: int


OLD = b'{"a":1,"items":[{"b":2}]}'


@pytest.mark.parametrize(
    "new",
    [
        b'{"a":1,"items":[{"b":2}],"new":3}',
        b'{"new":3,"a":1,"items":[{"b":2,"c":null}]}',
    ],
)
def test_an_optional_field_more_breaks_no_reader(new: bytes) -> None:
    """At any depth; the command writes it."""
    assert golden_files.breaks(OLD, new, Read) == ""


@pytest.mark.parametrize(
    ("new", "reader"),
    [
        (b'{"a":1,"new":3}', Read),
        (b'{"items":[{"b":2}],"a":1}', Read),
        (b'{"a":2,"items":[{"b":2}]}', Read),
        (b'{"a":true,"items":[{"b":2}]}', Read),
        (b'{"a":1.0,"items":[{"b":2}]}', Read),
        (b'{"a":1,"items":[{"b":2},{"b":2}]}', Read),
        (b'{"a":1,"items":{"b":2}}', Read),
        (b'{"a":1,"items":[{"c":2}]}', Read),
        (b'{"a":1,"items":[{"b":2}],"new":3}', ReadWithMore),
    ],
)
def test_what_a_reader_would_notice_needs_a_new_version(new: bytes, reader: type[msgspec.Struct]) -> None:
    """It is not written over the golden file."""
    assert golden_files.breaks(OLD, new, reader)


def test_new_golden_files_are_written_all_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing changed it writes nothing."""
    before = {path: path.read_bytes() for path in GOLDEN.glob("*.json")}
    assert golden_files.main() == 0
    assert {path: path.read_bytes() for path in GOLDEN.glob("*.json")} == before

    path = tmp_path / "event.json"
    path.write_bytes(b"{}\n")
    created = the_message().payload
    events = [(path, "order.created.v1", created), (tmp_path / "new.json", "order.created.v1", created)]
    monkeypatch.setattr(golden_files, "golden_bytes", lambda: events)
    assert golden_files.main() == 1
    assert "event.json: the new field is not optional" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["event.json"]

    path.write_bytes(created + b"\n")
    assert golden_files.main() == 0
    assert (tmp_path / "new.json").read_bytes() == created + b"\n"
