"""What a record of the topic is for the inbox: an event, or bytes of which none can be made."""

import json
import uuid
from typing import Any

import msgspec
import pytest

from kits.kafka.records import IncomingRecord, RecordFault
from tests.unit.worker.events import Sample
from worker.inbox.headers import decode_headers, encode_headers
from worker.inbox.records import Arrived, Unreadable, read_record

TOPIC_ID = str(uuid.UUID(int=7))


def changed(record: IncomingRecord, **values: Any) -> IncomingRecord:
    """The record with other fields."""
    return msgspec.structs.replace(record, **values)


def test_an_event_is_stored_as_it_was_in_its_topic() -> None:
    """Its bytes, its place and its headers; only the first number of an order begins it."""
    record = Sample("o-1", 2, headers={"tra\\ce": b"\x00\xff"}).incoming(5, partition=1)
    row = read_record(record, TOPIC_ID)
    assert isinstance(row, Arrived)
    assert (row.key, row.number, row.payload, row.is_first) == ("o-1", 2, record.value, False)
    assert (row.topic, row.topic_id, row.partition, row.offset) == ("events", TOPIC_ID, 1, 5)
    first = read_record(Sample("o-1", 1).incoming(), TOPIC_ID)
    assert isinstance(first, Arrived)
    assert first.is_first


def test_headers_of_any_bytes_are_kept() -> None:
    """Names are text, values are not."""
    headers = (("ce_id", b"x"), ("a\x00\\b", b"\x00\xff"), ("ce_id", b""))
    assert decode_headers(encode_headers(headers)) == headers
    assert decode_headers(None) == ()


def test_an_unknown_type_of_a_known_version_is_an_event() -> None:
    """It is forwarded: its receiver may know it."""
    body = json.loads(Sample().payload or b"") | {"eventType": "order.gift_wrapped"}
    sample = Sample(value=json.dumps(body).encode(), headers={"ce_type": b"order.gift_wrapped.v1"})
    record = changed(sample.incoming(), key=body["orderId"].encode(), headers=())
    row = read_record(record, TOPIC_ID)
    assert isinstance(row, Arrived)
    assert row.event_type == "order.gift_wrapped"


GOOD = Sample("o-1", 1, "e-1")
BODY = GOOD.payload or b""


@pytest.mark.parametrize(
    ("record", "code"),
    [
        pytest.param(changed(GOOD.incoming(), value=None), "empty_value", id="no value"),
        pytest.param(changed(GOOD.incoming(), value=b""), "undecodable_value", id="nothing"),
        pytest.param(changed(GOOD.incoming(), value=BODY[:-1]), "undecodable_value", id="cut off"),
        pytest.param(changed(GOOD.incoming(), value=b"[" * 100_000), "undecodable_value", id="deep"),
        pytest.param(
            changed(GOOD.incoming(), value=BODY.replace(b'"seq":1', b'"seq":0')), "undecodable_value", id="0"
        ),
        pytest.param(Sample(version=2).incoming(), "unknown_version", id="version"),
        pytest.param(
            changed(GOOD.incoming(), value=BODY.replace(b'"seq":1', b'"seq":1,"seq":1')),
            "repeated_member",
            id="a member twice",
        ),
        pytest.param(
            changed(GOOD.incoming(), value=BODY.replace(b'"seq":1', b'"\\u0073eq":2, "seq":1')),
            "repeated_member",
            id="a member twice, spelt with an escape",
        ),
        pytest.param(
            changed(GOOD.incoming(), value=BODY[:-1] + b',"order":{}}'), "repeated_member", id="body twice"
        ),
        pytest.param(Sample(headers={"ce_id": b"e-2"}).incoming(), "contradicting_headers", id="id"),
        pytest.param(Sample(headers={"ce_subject": b"o-2"}).incoming(), "contradicting_headers", id="order"),
        pytest.param(Sample(headers={"order_seq": b"01"}).incoming(), "contradicting_headers", id="number"),
        pytest.param(
            Sample(headers={"ce_type": b"order.paid.v1"}).incoming(), "contradicting_headers", id="type"
        ),
        pytest.param(
            changed(GOOD.incoming(), headers=(("ce_id", b"e-1"), ("ce_id", b"e-2"))),
            "contradicting_headers",
            id="the second of two",
        ),
        pytest.param(changed(GOOD.incoming(), key=b"o-2"), "other_key", id="another key"),
        pytest.param(changed(GOOD.incoming(), key=None), "other_key", id="no key"),
        pytest.param(
            changed(GOOD.incoming(), fault=RecordFault("unreadable_headers", "not UTF-8")),
            "unreadable_headers",
            id="header names",
        ),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(record: IncomingRecord, code: str) -> None:
    """Its raw bytes stay for people; the reason fits into a column."""
    row = read_record(record, TOPIC_ID)
    assert isinstance(row, Unreadable)
    assert (row.code, row.payload, row.record_key) == (code, record.value, record.key)
    assert 0 < len(row.message.encode()) <= 1024


def test_members_of_inner_objects_and_blanks_are_no_business_of_the_envelope() -> None:
    """A pretty-printed event with escapes is one like any other."""
    body = json.dumps(json.loads(BODY) | {"note": 'a "quoted" name \n', "order": {"seq": 9}}, indent=2)
    assert isinstance(read_record(changed(GOOD.incoming(), value=body.encode()), TOPIC_ID), Arrived)


def test_an_unreadable_record_is_known_by_its_headers() -> None:
    """So readable bytes of the same event find it."""
    row = read_record(Sample("o-1", 3, "e-9", value=b"?").incoming(), TOPIC_ID)
    assert isinstance(row, Unreadable)
    assert (row.event_id, row.order_id, row.seq) == ("e-9", "o-1", 3)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("ce_id", b""), ("ce_subject", b""), ("order_seq", b"")),
        (("ce_id", b"\xff"), ("ce_subject", b"a b"), ("order_seq", b"-1")),
        (("ce_id", b"x" * 65), ("ce_subject", b"o\x00"), ("order_seq", b"99999999999")),
        (("order_seq", b"5"),),
    ],
)
def test_without_such_headers_it_is_known_by_its_place(headers: tuple[tuple[str, bytes], ...]) -> None:
    """The same record comes again under the same id; at that place of another topic is another record."""
    record = changed(Sample(value=b"?").incoming(5), headers=headers)
    rows = [read_record(record, topic_id) for topic_id in (TOPIC_ID, TOPIC_ID, str(uuid.UUID(int=8)))]
    ids = [row.event_id for row in rows if isinstance(row, Unreadable)]
    assert ids[0] == ids[1] != ids[2]
    assert all((row.order_id, row.seq) == (None, None) for row in rows if isinstance(row, Unreadable))
