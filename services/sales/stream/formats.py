"""Stream: events that were sent as Avro, as the JSON that they would have been."""

import asyncio
import time

import msgspec

from contracts.envelope import UnreadableEventError
from kits.schemas.avro import AvroError, AvroSchema, read_framed
from kits.schemas.framing import AVRO_TYPE, schema_id_of
from kits.schemas.ports import Registry
from kits.schemas.registry import UnknownSchemaError
from services.sales.stream.reading import Headers

_UNKNOWN_SECONDS = 30.0
_MAX_IDS = 1_000


class EventFormats:
    """Asks the registry for each id once, and waits for the answer: the engine does one thing at a time."""

    def __init__(self, registry: Registry, subjects: dict[str, str]) -> None:
        """Args: subjects: the name of the schema of each `ce_type` of our own."""
        self._registry = registry
        self._subjects = subjects
        self._schemas: dict[int, AvroSchema] = {}
        self._unknown: dict[int, tuple[float, str]] = {}

    def json_of(self, value: bytes, headers: Headers) -> bytes:
        """The value as JSON.

        Raises:
            UnreadableEventError: no schema has its id, or its bytes do not fit.
            RegistryUnavailableError: not now. The engine ends by it and begins again at this record.
        """
        told = dict(headers or ())
        schema_id = schema_id_of(value)
        if schema_id is None:
            return value
        if not self._registry.has_address and told.get("content-type") != AVRO_TYPE:
            # Nobody here writes Avro: these are any bytes that begin with a zero.
            return value
        schema = self._schemas.get(schema_id) or self._learn(schema_id)
        ce_type = bytes(told.get("ce_type") or b"").decode("ascii", "replace")
        try:
            return read_framed(value, schema, self._subjects.get(ce_type, schema.name))
        except AvroError as error:
            raise UnreadableEventError(error.code, f"schema id {schema_id}: {error}") from error

    def _learn(self, schema_id: int) -> AvroSchema:
        until, reason = self._unknown.get(schema_id, (0.0, ""))
        if time.monotonic() >= until:
            try:
                definition = asyncio.run(self._registry.definition(schema_id))
                schema = AvroSchema(msgspec.json.decode(definition))
            except (UnknownSchemaError, AvroError, msgspec.DecodeError) as error:
                reason = str(error)
                _bound(self._unknown)
                self._unknown[schema_id] = time.monotonic() + _UNKNOWN_SECONDS, reason
            else:
                _bound(self._schemas)
                self._schemas[schema_id] = schema
                return schema
        raise UnreadableEventError("unknown_schema", f"schema id {schema_id}: {reason}")


def _bound(known: dict[int, AvroSchema] | dict[int, tuple[float, str]]) -> None:
    # Ids are what strangers write.
    if len(known) >= _MAX_IDS:
        del known[next(iter(known))]
