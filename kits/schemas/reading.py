"""Schemas kit, receiving: Avro becomes the JSON that the same event would have been."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from kits.kafka.errors import PartitionError
from kits.kafka.records import IncomingRecord, RecordFault, TopicPartition
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.schemas.avro import AvroError, AvroSchema, fingerprint_of, read_framed
from kits.schemas.framing import AVRO_TYPE, schema_id_of
from kits.schemas.known_schemas import KnownSchema
from kits.schemas.ports import Registry
from kits.schemas.registry import RegistryUnavailableError, UnknownSchemaError

log = get_logger(__name__)

Batches = Mapping[TopicPartition, Sequence[IncomingRecord]]

_MAX_SCHEMAS = 1_000
_FIRST_WAIT_SECONDS = 1.0
_AGAIN_SECONDS = 2.0
_UNKNOWN_SECONDS = 30.0
_JSON_HEADER = ("content-type", b"application/json")


class KnownSchemas(Protocol):
    """What outlives a process."""

    async def all(self) -> list[KnownSchema]: ...
    async def keep(self, schema: KnownSchema) -> None: ...


class SchemaUnavailableError(PartitionError):
    """Which schema wrote the record at this offset cannot be learned now: its partition waits."""

    code = "schema_unavailable"


class _Unknown(msgspec.Struct):
    """Why an id has no schema, until when that is believed."""

    reason: str
    until: float
    is_outage: bool


class AvroReader:
    """Knows the schemas that records were written with; asks the registry for an id it has never met.

    It is also the health check of that.
    """

    def __init__(
        self, name: str, registry: Registry, known: KnownSchemas, subjects: Mapping[str, str]
    ) -> None:
        """Args: subjects: the name of the schema of each `ce_type` of our own."""
        self.name = name
        self._registry = registry
        self._known = known
        self._subjects = {ce_type.encode(): name for ce_type, name in subjects.items()}
        self._schemas: dict[int, AvroSchema] = {}
        self._unknown: dict[int, _Unknown] = {}
        self._asking: dict[int, asyncio.Task[None]] = {}
        self._is_loaded = False
        self._failure = ""

    async def read(self, batches: Batches) -> tuple[Batches, list[PartitionError]]:
        """The same records with JSON values, in their order; and where a partition has to wait, and why.

        Of a partition that has to wait the records before that offset are there. What cannot be read, now or
        ever, keeps its bytes and has a `fault` that names the schema's id.
        """
        if not any(schema_id_of(record.value) is not None for each in batches.values() for record in each):
            return batches, []
        read: dict[TopicPartition, Sequence[IncomingRecord]] = {}
        held: list[PartitionError] = []
        for at, batch in batches.items():
            plain: list[IncomingRecord] = []
            try:
                for record in batch:
                    plain.append(await self._plain(record))  # noqa: PERF401 - what was read before an error counts
            except SchemaUnavailableError as error:
                held.append(error)
            if plain:
                read[at] = plain
        return read, held

    async def check(self) -> CheckResult:
        """Degraded while the registry is asked in vain."""
        if self._failure:
            return CheckResult(Status.DEGRADED, f"Records of unknown schemas wait: {self._failure}")
        return CheckResult(Status.OK)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking.values())

    async def _plain(self, record: IncomingRecord) -> IncomingRecord:
        schema_id = schema_id_of(record.value)
        if schema_id is None:
            return record
        assert record.value is not None  # noqa: S101 - it has a frame
        if not self._registry.has_address and _header(record, "content-type") != AVRO_TYPE:
            # Nobody here writes Avro: these are any bytes that begin with a zero.
            return record
        schema = self._schemas.get(schema_id) or await self._learn(schema_id, record)
        if isinstance(schema, _Unknown):
            return _faulty(record, "unknown_schema", f"schema id {schema_id}: {schema.reason}")
        expected = self._subjects.get(_header(record, "ce_type"), schema.name)
        try:
            value = read_framed(record.value, schema, expected)
        except AvroError as error:
            return _faulty(record, error.code, f"schema id {schema_id}: {error}")
        headers = tuple([_JSON_HEADER if each[0] == "content-type" else each for each in record.headers])
        return msgspec.structs.replace(record, value=value, headers=headers)

    async def _learn(self, schema_id: int, record: IncomingRecord) -> AvroSchema | _Unknown:
        await self._load()
        if schema_id not in self._schemas and not self._is_doubted(schema_id):
            asking = self._asking.get(schema_id)
            if asking is None:
                self._unknown.pop(schema_id, None)
                asking = self._asking[schema_id] = asyncio.create_task(self._ask(schema_id))
            await asyncio.wait([asking], timeout=_FIRST_WAIT_SECONDS)
        if (schema := self._schemas.get(schema_id)) is not None:
            return schema
        unknown = self._unknown.get(schema_id)
        if unknown is None or unknown.is_outage:
            reason = unknown.reason if unknown else "the registry has not answered yet"
            raise SchemaUnavailableError(
                record.topic_partition,
                record.offset,
                f"the schema with id {schema_id} at offset {record.offset} of {record.topic}-"
                f"{record.partition} is not known here: {reason}",
            )
        return unknown

    def _is_doubted(self, schema_id: int) -> bool:
        unknown = self._unknown.get(schema_id)
        return unknown is not None and asyncio.get_running_loop().time() < unknown.until

    async def _load(self) -> None:
        """What was known before; without the database the registry is asked."""
        if self._is_loaded:
            return
        with outage_suppressed("schemas_not_loaded"):
            for schema in await self._known.all():
                self._schemas[schema.id] = AvroSchema(msgspec.json.decode(schema.definition))
            self._is_loaded = True

    async def _ask(self, schema_id: int) -> None:
        now = asyncio.get_running_loop().time()
        try:
            definition = msgspec.json.decode(await self._registry.definition(schema_id))
            schema = AvroSchema(definition)
        except RegistryUnavailableError as error:
            self._doubt(schema_id, _Unknown(str(error), now + _AGAIN_SECONDS, is_outage=True))
        except (UnknownSchemaError, AvroError, msgspec.DecodeError) as error:
            self._doubt(schema_id, _Unknown(str(error), now + _UNKNOWN_SECONDS, is_outage=False))
        else:
            self._failure = ""
            _bound(self._schemas)
            self._schemas[schema_id] = schema
            with outage_suppressed("schema_not_kept"):
                await self._known.keep(
                    KnownSchema(schema_id, schema.name, fingerprint_of(definition), schema.text)
                )
        finally:
            del self._asking[schema_id]

    def _doubt(self, schema_id: int, unknown: _Unknown) -> None:
        if unknown.is_outage and not self._failure:
            action = "none if the registry comes back, else check SCHEMA_REGISTRY_URL; the partition waits"
            log.error(
                "schema_registry_unavailable", schema_id=schema_id, reason=unknown.reason, action=action
            )
        self._failure = unknown.reason if unknown.is_outage else ""
        _bound(self._unknown)
        self._unknown[schema_id] = unknown


def _bound(known: dict[int, AvroSchema] | dict[int, _Unknown]) -> None:
    # Ids are what strangers write.
    if len(known) >= _MAX_SCHEMAS:
        del known[next(iter(known))]


def _header(record: IncomingRecord, name: str) -> bytes:
    return dict(record.headers).get(name, b"")


def _faulty(record: IncomingRecord, code: str, reason: str) -> IncomingRecord:
    return msgspec.structs.replace(record, fault=RecordFault(code, reason))
