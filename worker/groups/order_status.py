"""The group `cg-order`: a read model in the shop's database, one row per order with its latest status."""

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.envelope import Envelope, UnreadableEventError, read_envelope
from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.logs import get_logger
from kits.postgres.diagnosis import CONNECTION_ERRORS, diagnose_statement
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.schema import as_document, metadata, qualified
from worker.handler import HandlerUnavailableError, Records, require_sound

log = get_logger(__name__)

ORDER_STATUS_GROUP = "cg-order"
order_status = Table("order_status", metadata())
_UPSERT = """
INSERT INTO {table} AS known (order_id, status, version, occurred_at)
SELECT "orderId", "order" ->> 'status', seq, "occurredAt" FROM json_to_recordset(CAST(:rows AS json))
    AS new ("orderId" text, "order" json, seq bigint, "occurredAt" timestamptz) ORDER BY "orderId"
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, version = excluded.version,
    occurred_at = excluded.occurred_at, written_at = clock_timestamp() WHERE excluded.version > known.version
"""


class _Order(msgspec.Struct, frozen=True):
    status: str


class _Change(Envelope, frozen=True, kw_only=True, rename="camel"):
    order: _Order | None = None


class OrderStatus:
    """worker.handler.Handler: in any order, as a lower version changes nothing; its offsets are Kafka's."""

    has_room = True

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._upsert = DriverStatement(text(_UPSERT.format(table=qualified(order_status, engine))))
        self._changes = msgspec.json.Decoder(_Change)

    async def begin(self, places: Mapping[TopicPartition, Place]) -> Mapping[TopicPartition, int]:
        """See Handler."""
        return {at: place.goes_on_at for at, place in places.items()}

    async def handle(self, records: Records) -> Mapping[TopicPartition, int]:
        """See Handler: everything in one statement."""
        newest: dict[str, _Change] = {}
        for change in self._readable(record for each in records.values() for record in each):
            known = newest.get(change.order_id)
            if change.order is not None and (known is None or change.seq > known.seq):
                newest[change.order_id] = change
        try:
            if newest:
                await driver_fetch(self._engine, self._upsert, as_document(list(newest.values())))
        except CONNECTION_ERRORS as error:
            raise HandlerUnavailableError(diagnose_statement(error)) from error
        return {at: each[-1].offset + 1 for at, each in records.items() if each}

    def _readable(self, records: Iterable[IncomingRecord]) -> Iterable[_Change]:
        for record in records:
            try:
                require_sound(record)
                read_envelope(record.value, record.headers)
                yield self._changes.decode(record.value or b"")
            except (UnreadableEventError, msgspec.DecodeError) as error:
                log.warning(
                    "record_left_out", group=ORDER_STATUS_GROUP, partition=record.partition,
                    offset=record.offset, reason=str(error), action="none: data-platform has a dead letter",
                )  # fmt: skip
