"""Records of strangers: what their headers say is checked, and what they mean is found out."""

import pytest

from kits.kafka.records import Headers, IncomingRecord, OutgoingRecord
from kits.rpc.errors import RpcError
from kits.rpc.wire import (
    ReplyAddress,
    Request,
    UnreadableRequestError,
    error_record,
    event_record,
    read_reply,
    read_request,
    reply_record,
    request_record,
    traceparent_of,
)

ADDRESS = ReplyAddress("gateway.reply", 4, "c-1")


def came(record: OutgoingRecord) -> IncomingRecord:
    """The same as it is read."""
    return IncomingRecord(record.topic, 0, 0, 0, record.key, record.value, record.headers)


def with_headers(*headers: tuple[str, bytes]) -> IncomingRecord:
    return IncomingRecord("ask", 0, 0, 0, None, b"{}", headers)


NEST: Headers = (("kafka_correlationId", b"c-1"), ("kafka_replyTopic", b"gateway.reply"))


def test_a_request_says_who_wants_its_reply_and_until_when() -> None:
    record = request_record(
        "ask", b"{}", key=None, address=ADDRESS, deadline_ms=1_234, traceparent="00-a-b-01"
    )
    assert record.key is None
    nothing = request_record("ask", None, key=None, address=ADDRESS, deadline_ms=1, traceparent="")
    assert nothing.key == b"c-1"
    assert read_request(came(record)) == Request(ADDRESS, 1_234)
    assert traceparent_of(came(record)) == "00-a-b-01"


def test_a_record_without_a_correlation_id_or_a_reply_topic_is_an_event() -> None:
    assert read_request(came(event_record("heard", b"{}", key=b"k", traceparent=""))).address is None
    for one in NEST:
        assert read_request(with_headers(one)).address is None
    assert read_request(with_headers(("kafka_correlationId", b""), NEST[1])).address is None


def test_a_nest_request_may_lack_a_partition_and_has_no_deadline() -> None:
    assert read_request(with_headers(*NEST)) == Request(ReplyAddress("gateway.reply", None, "c-1"), None)


@pytest.mark.parametrize(
    "header",
    [
        ("kafka_replyPartition", b"-1"),
        ("kafka_replyPartition", b"1.5"),
        ("kafka_replyPartition", b""),
        ("kafka_replyPartition", b"9" * 400),
        ("kafka_replyPartition", "٣".encode()),
        ("rpc_deadline", b"soon"),
        ("rpc_deadline", b"1e9"),
    ],
)
def test_a_number_that_is_none_is_refused(header: tuple[str, bytes]) -> None:
    with pytest.raises(UnreadableRequestError, match="decimal digits"):
        read_request(with_headers(*NEST, header))


def test_names_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(UnreadableRequestError, match="UTF-8"):
        read_request(with_headers(("kafka_correlationId", b"\xff"), NEST[1]))


def test_the_first_header_of_a_name_counts() -> None:
    assert read_request(with_headers(*NEST, ("kafka_correlationId", b"c-2"))).address is not None
    assert read_reply(with_headers(*NEST, ("kafka_correlationId", b"c-2"))).correlation_id == "c-1"


def test_a_refusal_travels_whole() -> None:
    reply = read_reply(came(error_record(ADDRESS, RpcError(422, "unreadable", "No.", "$.title"))))
    assert reply.is_last
    assert reply.value is None
    assert reply.error is not None
    assert (reply.error.status, reply.error.code) == (422, "unreadable")
    assert (reply.error.detail, reply.error.path) == ("No.", "$.title")


@pytest.mark.parametrize(
    ("told", "status", "code", "detail"),
    [
        (b'{"status":"error","message":"Internal server error"}', 500, "error", "Internal server error"),
        (b"Forbidden", 500, "error", "Forbidden"),
        (b'{"status":409,"code":"taken","message":"Taken."}', 409, "taken", "Taken."),
        (b'{"anything":1}', 500, "error", '{"anything":1}'),
        (b"[1]", 500, "error", "[1]"),
        (b'{"message":["a","b"]}', 500, "error", "['a', 'b']"),
        (b"\xff", 500, "error", "\N{REPLACEMENT CHARACTER}"),
        (b"", 500, "error", ""),
    ],
)
def test_an_error_of_nestjs_becomes_one_of_ours(told: bytes, status: int, code: str, detail: str) -> None:
    """RpcException takes anything: an object, a text."""
    reply = read_reply(with_headers(NEST[0], ("kafka_nest-err", told)))
    assert reply.error is not None
    assert (reply.error.status, reply.error.code, reply.error.detail) == (status, code, detail)
    assert reply.is_last


def test_only_the_last_reply_is_marked() -> None:
    assert not read_reply(came(reply_record(ADDRESS, b"1", is_last=False))).is_last
    last = reply_record(ADDRESS, None, is_last=True)
    assert read_reply(came(last)).is_last
    assert (last.key, last.partition, dict(last.headers)["kafka_nest-is-disposed"]) == (b"c-1", 4, b"\0")
