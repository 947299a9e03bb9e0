"""Kafka kit, receiving: reads a piece of one partition's log without a group, each record by itself."""

from itertools import islice
from struct import unpack_from
from typing import Any, NamedTuple

from aiokafka import TopicPartition as ClientPartition
from aiokafka import errors as client
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBase, _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint

from kits.kafka.broker_requests import COMMITTED
from kits.kafka.connections import Connections
from kits.kafka.errors import OffsetOutOfRangeError, RecordsUnreadableError
from kits.kafka.records import IncomingRecord, RecordFault, TopicPartition

_AFTER_LENGTH = 12
_MAGIC = 2
_HEADER_BYTES = DefaultRecordBase.HEADER_STRUCT.size
_WAIT_MS = 100
_CHECK_CRC = True
_MOVED = (
    client.NotLeaderForPartitionError,
    client.UnknownTopicOrPartitionError,
    client.LeaderNotAvailableError,
    client.ReplicaNotAvailableError,
)


class LogPiece(NamedTuple):
    """Records of one partition in their order; `next_offset` is behind markers and aborted records too."""

    records: list[IncomingRecord]
    next_offset: int


class _Record(NamedTuple):
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Any, ...]
    fault: RecordFault


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]  # the client has no types
    """A batch whose records need not have headers that can be read; key and value they must have."""

    def _read_msg(self, decode_varint: Any = decode_varint) -> Any:
        begin = self._pos
        try:
            return super()._read_msg(decode_varint)
        except (ValueError, IndexError, client.CorruptRecordException) as error:
            fault = RecordFault("unreadable_headers", f"its headers cannot be read: {error}")
            return self._read_without_headers(begin, fault)

    def _read_without_headers(self, begin: int, fault: RecordFault) -> _Record:
        length, at = decode_varint(self._buffer, begin)
        end = at + length
        _attributes, at = decode_varint(self._buffer, at)
        later, at = decode_varint(self._buffer, at)
        further, at = decode_varint(self._buffer, at)
        key, at = self._read_bytes(at)
        value, at = self._read_bytes(at)
        if not at <= end <= len(self._buffer):
            raise client.CorruptRecordException("key and value reach beyond their record")
        self._pos = end
        from_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if from_broker else self.first_timestamp + later
        return _Record(self.base_offset + further, timestamp, self.timestamp_type, key, value, (), fault)

    def _read_bytes(self, at: int) -> tuple[bytes | None, int]:
        length, at = decode_varint(self._buffer, at)
        return (None, at) if length < 0 else (bytes(self._buffer[at : at + length]), at + length)


class _Batches(list[_Batch]):
    """The batches of one answer, as the client's PartitionRecords asks for them."""

    def has_next(self) -> bool:
        return bool(self)

    def next_batch(self) -> _Batch:
        return self.pop(0)


def _batches(data: bytes, offset: int, log_end: int, *, may_have_gaps: bool) -> _Batches:
    """The batches up to the first that cannot stand there.

    The CRC does not cover the offset that a batch says it has: who believed a wrong one would pass over
    records.
    """
    found = _Batches()
    expected, begin = offset, 0
    while len(data) - begin >= _HEADER_BYTES:
        base, length, _epoch, magic, _crc, _attributes, last = unpack_from(">qiibIhi", data, begin)
        size, end = length + _AFTER_LENGTH, base + last + 1
        is_whole = magic == _MAGIC and _HEADER_BYTES <= size <= len(data) - begin
        # Only the first may begin before the offset that was asked for.
        follows = base == expected or (base < expected and not found) or (base > expected and may_have_gaps)
        if not (is_whole and follows and expected < end <= log_end):
            break
        found.append(_Batch(data[begin : begin + size]))
        expected, begin = end, begin + size
    return found


class _Records(PartitionRecords):  # type: ignore[misc]
    """Checks the CRC of each batch and leaves out what was aborted, as for any other reader."""

    def _consumer_record(self, tp: ClientPartition, record: Any) -> IncomingRecord:
        headers = tuple([(name, value or b"") for name, value in record.headers])
        return IncomingRecord(
            tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, headers,
            getattr(record, "fault", None),
        )  # fmt: skip


async def read_log(
    connections: Connections,
    at: TopicPartition,
    offset: int,
    *,
    max_records: int,
    may_have_gaps: bool,
    isolation: int = COMMITTED,
    max_bytes: int = 1_048_576,
) -> LogPiece:
    """What one fetch brings from `offset` on, at most `max_records`. Not bounded in time.

    A record whose headers cannot be read comes with its `fault`. In front of a batch that cannot be unpacked
    the piece ends.

    Args: may_have_gaps: of a compacted topic. In any other a missing offset is damage, not to be passed over.

    Raises:
        RecordsUnreadableError: what stands at `offset` itself cannot be read.
        OffsetOutOfRangeError: `offset` is outside the log.
        aiokafka.errors.KafkaError: no leader, no answer, no right.
    """
    inside = ClientPartition(at.topic, at.partition)
    leader = connections.cluster.leader_for_partition(inside)
    if leader is None or leader == -1:
        connections.look_again()
        raise client.LeaderNotAvailableError(f"{at.topic}-{at.partition}")
    question = FetchRequest(
        _WAIT_MS, 1, max_bytes, isolation, [(at.topic, [(at.partition, offset, max_bytes)])]
    )
    answer = await connections.send(leader, question)
    ((_topic, ((_partition, code, log_end, stable, _start, aborted, *_, data),)),) = answer.topics
    _check(connections, at, offset, client.for_code(code))
    batches = _batches(data or b"", offset, log_end, may_have_gaps=may_have_gaps)
    found = _Records(inside, batches, aborted, offset, None, None, _CHECK_CRC, isolation)
    records: list[IncomingRecord] = []
    try:
        records += islice(found, max_records)
    except Exception as error:
        # What stands before the damage goes out first; the next read begins at the damage, and says so.
        if found.next_fetch_offset == offset:
            raise RecordsUnreadableError(at, offset, repr(error)) from error
    if found.next_fetch_offset == offset < stable:
        raise RecordsUnreadableError(at, offset, "the length, the offset or the format of a batch is wrong")
    return LogPiece(records, found.next_fetch_offset)


def _check(connections: Connections, at: TopicPartition, offset: int, error: type[client.KafkaError]) -> None:
    if error is client.OffsetOutOfRangeError:
        raise OffsetOutOfRangeError(at, offset)
    if error in _MOVED:
        connections.look_again()
    if error in _MOVED or error is client.TopicAuthorizationFailedError:
        raise error(f"{at.topic}-{at.partition}")
    if error is not client.NoError:
        raise RecordsUnreadableError(at, offset, f"the broker answers {error.__name__}")
