"""Requests, replies and events are on Kafka what NestJS makes of them: byte for byte, in both directions.

The golden file is what NestJS 11 and 12 wrote (`python -m judges.capture`); `make judges` runs them again.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kits.kafka.records import IncomingRecord, OutgoingRecord
from kits.rpc.errors import RpcError
from kits.rpc.values import Shape, written
from kits.rpc.wire import (
    DEADLINE,
    ERROR,
    IS_LAST,
    ReplyAddress,
    error_record,
    event_record,
    read_reply,
    read_request,
    reply_record,
    request_record,
)

EXCHANGES = json.loads(Path(__file__).with_name("golden").joinpath("rpc", "nest.json").read_text())
REQUESTS = [each for each in EXCHANGES if "kafka_correlationId" in each["request"]["headers"]]
EVENTS = [each for each in EXCHANGES if each not in REQUESTS]
REFUSED = {
    each["exchange"]: each["replies"][-1] for each in REQUESTS if ERROR in each["replies"][-1]["headers"]
}
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def name_of(exchange: Any) -> str:
    return str(exchange["exchange"])


def address_of(exchange: Any) -> ReplyAddress:
    """Where its replies go, in the words of its golden request."""
    headers = exchange["request"]["headers"]
    partition = int(headers["kafka_replyPartition"])
    return ReplyAddress(headers["kafka_replyTopic"], partition, headers["kafka_correlationId"])


def incoming(record: Any) -> IncomingRecord:
    """A golden record as it is read."""
    key, value = (None if text is None else text.encode() for text in (record["key"], record["value"]))
    headers = tuple((name, text.encode()) for name, text in record["headers"].items())
    return IncomingRecord(record["topic"], 0, 0, 0, key, value, headers)


def own_value(exchange: Any) -> Any:
    """What was sent, without the key and headers that NestJS's users may give beside it."""
    sent = exchange["sent"]
    return sent["value"] if isinstance(sent, dict) and "key" in sent else sent


def text_headers(record: OutgoingRecord) -> list[tuple[str, str]]:
    return [(name, value.decode()) for name, value in record.headers]


@pytest.mark.parametrize("exchange", REQUESTS, ids=name_of)
def test_a_request_of_nestjs_is_read(exchange: Any) -> None:
    """Whom to answer; it has no deadline, and the order of its headers does not matter."""
    record = incoming(exchange["request"])
    turned = IncomingRecord(record.topic, 0, 0, 0, record.key, record.value, record.headers[::-1])
    for each in (record, turned):
        request = read_request(each)
        assert request.address == address_of(exchange)
        assert request.deadline_ms is None


@pytest.mark.parametrize("exchange", EVENTS, ids=name_of)
def test_an_event_of_nestjs_is_read_and_written_alike(exchange: Any) -> None:
    """It has no address; ours has one header more."""
    golden = incoming(exchange["request"])
    assert read_request(golden).address is None
    ours = event_record(golden.topic, written(own_value(exchange)), key=b"k-1", traceparent=TRACEPARENT)
    assert ours.value == golden.value
    assert text_headers(ours) == [("traceparent", TRACEPARENT)]


@pytest.mark.parametrize("exchange", REQUESTS, ids=name_of)
def test_our_request_is_that_of_nestjs_and_a_deadline(exchange: Any) -> None:
    """The same value, the same headers in the same order, and then ours."""
    golden = exchange["request"]
    ours = request_record(
        golden["topic"], written(own_value(exchange)), key=b"k-1", address=address_of(exchange),
        deadline_ms=1_700_000_000_000, traceparent=TRACEPARENT,
    )  # fmt: skip
    assert ours.topic == golden["topic"]
    assert ours.value == golden["value"].encode()
    nests = [(name, value) for name, value in golden["headers"].items() if name.startswith("kafka_")]
    assert text_headers(ours) == [*nests, (DEADLINE, "1700000000000"), ("traceparent", TRACEPARENT)]


@pytest.mark.parametrize("exchange", REQUESTS, ids=name_of)
def test_our_replies_are_those_of_nestjs(exchange: Any) -> None:
    """Value, headers and their order, partition; only the key is ours, since a record needs one."""
    for golden in exchange["replies"]:
        if ERROR in golden["headers"]:
            continue
        value = None if golden["value"] is None else golden["value"].encode()
        ours = reply_record(address_of(exchange), value, is_last=IS_LAST in golden["headers"])
        assert (ours.topic, ours.partition, ours.value) == (golden["topic"], golden["partition"], value)
        assert text_headers(ours) == list(golden["headers"].items())


@pytest.mark.parametrize("exchange", REFUSED)
def test_our_refusal_has_the_headers_of_nestjs_in_their_order(exchange: str) -> None:
    """A JSON object, and the sign that it is the last."""
    golden = REFUSED[exchange]
    address = ReplyAddress(golden["topic"], golden["partition"], golden["headers"]["kafka_correlationId"])
    ours = error_record(address, RpcError(422, "unreadable_request", "Expected `str`", "$.title"))
    assert [name for name, _ in ours.headers] == list(golden["headers"])
    assert dict(ours.headers)[IS_LAST] == b"\0"
    assert ours.value is None
    assert json.loads(dict(ours.headers)[ERROR]) == {
        "status": 422, "code": "unreadable_request", "detail": "Expected `str`", "message": "Expected `str`",
        "path": "$.title",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("exchange", "status", "code", "detail"),
    [
        ("reply: error object", 404, "article_not_found", "No article has this title."),
        ("reply: error text", 500, "error", "No article has this title."),
        ("reply: error unknown", 500, "error", "Internal server error"),
        ("reply: stream that breaks", 500, "error", "broken"),
    ],
)
def test_a_refusal_of_nestjs_is_read(exchange: str, status: int, code: str, detail: str) -> None:
    """Its status may be a word; what it says is kept."""
    reply = read_reply(incoming(REFUSED[exchange]))
    assert reply.is_last
    assert reply.error is not None
    assert (reply.error.status, reply.error.code, reply.error.detail) == (status, code, detail)


def test_every_refusal_has_an_expectation() -> None:
    assert len(REFUSED) == 4


@pytest.mark.parametrize(
    ("exchange", "kind", "value"),
    [
        ("reply: object", dict[str, Any], {"title": "Träume", "tags": ["a", "b"], "read": None}),
        ("reply: array", list[Any], [1, "zwei", None]),
        ("reply: text", str, "plain text"),
        ("request: empty text", str, ""),
        ("request: text like JSON", str, '{"not": JSON'),
        ("reply: void", type(None), None),
        ("reply: null", int | None, None),
        ("reply: number", float, 42.5),
        ("request: number", int, 42),
        ("reply: boolean", bool, False),
        ("request: zero byte first", bytes, b"\0\0\0\0\7framed"),
    ],
)
def test_a_reply_of_nestjs_is_read_as_the_type_that_is_asked_for(
    exchange: str, kind: Any, value: Any
) -> None:
    """Numbers and booleans travel as text, and the type says what they were."""
    (golden,) = next(each["replies"] for each in EXCHANGES if each["exchange"] == exchange)
    reply = read_reply(incoming(golden))
    assert (reply.error, reply.is_last) == (None, True)
    assert Shape(kind).read(reply.value) == value
    assert written(value) == reply.value


def test_a_stream_of_nestjs_ends_where_it_says() -> None:
    """With its last element, or with an empty record after it."""
    streams = [
        each["replies"] for each in REQUESTS if len(each["replies"]) > 1 and name_of(each) not in REFUSED
    ]
    assert len(streams) == 3
    for replies in streams:
        read = [read_reply(incoming(each)) for each in replies]
        assert [each.is_last for each in read] == [False] * (len(read) - 1) + [True]
    assert {replies[-1]["value"] for replies in streams} == {'{"n":3}', None}
