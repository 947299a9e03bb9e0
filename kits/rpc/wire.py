"""Request-reply, wire: requests, replies and events as Kafka records, byte for byte as NestJS has them.

Read in @nestjs/microservices 11.2 and 12.1 (kafka-headers, client- and server-kafka); `rpc_deadline` is ours.
"""

from typing import NamedTuple, TypeVar

import msgspec

from kits.kafka.records import Headers, IncomingRecord, OutgoingRecord
from kits.observability.traces import TRACEPARENT
from kits.rpc.errors import RpcError
from kits.rpc.values import Shape

T = TypeVar("T")
CORRELATION_ID = "kafka_correlationId"
REPLY_TOPIC = "kafka_replyTopic"
REPLY_PARTITION = "kafka_replyPartition"
ERROR = "kafka_nest-err"
IS_LAST = "kafka_nest-is-disposed"
DEADLINE = "rpc_deadline"
"""When the caller stops waiting, in ms since 1970, as decimal text."""

_LAST = (IS_LAST, b"\0")
_MAX_DIGITS = 15
_MAX_ID_BYTES = 1_000
_MAX_WORDS = 2_000
_REFUSALS = range(400, 600)


class ReplyAddress(NamedTuple):
    """Where a reply goes. Without a partition its key, the correlation id, decides."""

    topic: str
    partition: int | None
    correlation_id: str


class Request(NamedTuple):
    """What the headers of a record say; without an address it is an event."""

    address: ReplyAddress | None
    deadline_ms: int | None


class Reply(NamedTuple):
    """A reply as it came: for which request, its value or its error, and whether it is the last one."""

    correlation_id: str
    value: bytes | None
    error: RpcError | None
    is_last: bool


class UnreadableRequestError(Exception):
    """Headers that no request can have: nobody can be answered."""


class _Refusal(msgspec.Struct, omit_defaults=True):
    status: int
    code: str
    detail: str
    message: str
    """The same for readers of NestJS, who look there."""
    path: str = ""


class _AnyRefusal(msgspec.Struct):
    status: int | str = 500
    code: str = "error"
    detail: str = ""
    message: object = ""
    path: str = ""


_refusals = msgspec.json.Decoder(_AnyRefusal)


def request_record(
    topic: str,
    value: bytes | None,
    *,
    key: bytes | None,
    address: ReplyAddress,
    deadline_ms: int,
    traceparent: str,
) -> OutgoingRecord:
    """A request. Requests of one key keep their order; one without a key has none."""
    headers: Headers = (
        (CORRELATION_ID, address.correlation_id.encode()),
        (REPLY_TOPIC, address.topic.encode()),
        (REPLY_PARTITION, str(address.partition).encode()),
        (DEADLINE, str(deadline_ms).encode()),
        (TRACEPARENT, traceparent.encode()),
    )
    if key is None and value is None:
        # The client refuses a record of nothing; whoever reads it takes no notice of the key.
        key = address.correlation_id.encode()
    return OutgoingRecord(topic, key, value, headers)


def event_record(topic: str, value: bytes | None, *, key: bytes, traceparent: str) -> OutgoingRecord:
    """An event."""
    return OutgoingRecord(topic, key, value, ((TRACEPARENT, traceparent.encode()),))


def value_to_send(topic: str, shape: Shape[T], value: T) -> bytes | None:
    """The bytes of a request or an event.

    Raises:
        RpcError: a text of it cannot travel; it may be somebody else's. TypeError: its caller's own fault.
    """
    try:
        return shape.write(value)
    except UnicodeEncodeError as error:
        raise RpcError(422, "invalid_text", f"A text in {topic} has half a character in it.") from error


def reply_record(address: ReplyAddress, value: bytes | None, *, is_last: bool) -> OutgoingRecord:
    """A reply. Without one that is the last the caller never ends."""
    headers = (_LAST,) if is_last else ()
    return _to(address, value, headers)


def error_record(address: ReplyAddress, error: RpcError) -> OutgoingRecord:
    """A refusal: JSON that tells programs `code`, and readers of NestJS `message`."""
    detail = _bounded(error.detail)
    body = _Refusal(error.status, _bounded(error.code), detail, detail, _bounded(error.path))
    return _to(address, None, ((ERROR, msgspec.json.encode(body)), _LAST))


def read_request(record: IncomingRecord) -> Request:
    """What a record asks for.

    Raises:
        UnreadableRequestError: the sentence says which header is wrong.
    """
    if record.fault:
        raise UnreadableRequestError(str(record.fault))
    headers = _first_of_each(record.headers)
    return Request(_address(headers), _deadline(headers.get(DEADLINE)))


def traceparent_of(record: IncomingRecord) -> str:
    """Of which trace it is a part, or ""."""
    return next((_text(value) for name, value in record.headers if name == TRACEPARENT), "")


def read_reply(record: IncomingRecord) -> Reply:
    """A reply; one without a correlation id is nobody's ("")."""
    headers = _first_of_each(record.headers)
    told = headers.get(ERROR)
    error = None if told is None else _error_of(told)
    is_last = error is not None or IS_LAST in headers
    return Reply(_text(headers.get(CORRELATION_ID, b"")), record.value, error, is_last)


def _to(address: ReplyAddress, value: bytes | None, headers: Headers) -> OutgoingRecord:
    correlation_id = address.correlation_id.encode()
    said = ((CORRELATION_ID, correlation_id), *headers)
    return OutgoingRecord(address.topic, correlation_id, value, said, address.partition)


def _address(headers: dict[str, bytes]) -> ReplyAddress | None:
    try:
        correlation_id, topic = headers[CORRELATION_ID].decode(), headers[REPLY_TOPIC].decode()
    except KeyError:
        return None
    except UnicodeDecodeError as error:
        raise UnreadableRequestError("Correlation id and reply topic have to be UTF-8.") from error
    if not correlation_id or not topic:
        return None
    if len(headers[CORRELATION_ID]) > _MAX_ID_BYTES:
        raise UnreadableRequestError(f"A correlation id has {_MAX_ID_BYTES} bytes at most.")
    return ReplyAddress(topic, _number(headers.get(REPLY_PARTITION), REPLY_PARTITION), correlation_id)


def _deadline(told: bytes | None) -> int | None:
    return _number(told, DEADLINE)


def _number(told: bytes | None, name: str) -> int | None:
    if told is None:
        return None
    if not told.isdigit() or len(told) > _MAX_DIGITS:
        raise UnreadableRequestError(f"The header {name} has to be a number in decimal digits.")
    return int(told)


def _error_of(told: bytes) -> RpcError:
    text = told.decode(errors="replace")
    try:
        body = _refusals.decode(text)
    except (msgspec.DecodeError, RecursionError):
        # NestJS sends what an RpcException was given, a plain text as it is.
        return RpcError(500, "error", _bounded(text))
    status = body.status if isinstance(body.status, int) and body.status in _REFUSALS else 500
    detail = body.detail or str(body.message) or text
    return RpcError(status, _bounded(body.code), _bounded(detail), _bounded(body.path))


def _first_of_each(headers: Headers) -> dict[str, bytes]:
    return dict(reversed(headers))


def _bounded(words: str) -> str:
    """Words that fit into a header and a log, and can be written as UTF-8."""
    return str(words)[:_MAX_WORDS].encode(errors="replace").decode()


def _text(told: bytes) -> str:
    return told.decode(errors="replace")
