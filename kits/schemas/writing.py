"""Schemas kit, sending: a JSON record becomes Avro if the id of its schema is known."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from kits.kafka.records import OutgoingRecord
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.process.background import PeriodicTask
from kits.schemas.avro import AvroError, AvroSchema, Definition, fingerprint_of
from kits.schemas.framing import AVRO_TYPE, framed
from kits.schemas.known_schemas import KnownSchema
from kits.schemas.ports import Registry
from kits.schemas.registry import RegistryUnavailableError, UnknownSchemaError

log = get_logger(__name__)

_LOOK_SECONDS = 30.0
_AVRO_HEADER = ("content-type", AVRO_TYPE)


class RegisteredSchemas(Protocol):
    """Under which ids this process may write."""

    async def registered(self) -> list[KnownSchema]: ...


class AvroWriter:
    """Makes Avro of the records whose schema is registered. No registry is asked on the way of a record.

    Ids are looked up in the background: from the table, and the registry has to agree, or be away. A type
    without an id goes as JSON, which every reader understands; the health check says so meanwhile.
    """

    name = "event_format"

    def __init__(
        self, schemas: Mapping[str, Definition], known: RegisteredSchemas, registry: Registry
    ) -> None:
        """Args: schemas: the schema of each `ce_type`."""
        self._schemas = {ce_type.encode(): AvroSchema(each) for ce_type, each in schemas.items()}
        self._known = known
        self._registry = registry
        self._ids: dict[bytes, int] = {}
        self._agreed: set[int] = set()
        self._reason = "the ids of the schemas have not been looked up yet"
        self._misfits: set[bytes] = set()

    def encoded(self, record: OutgoingRecord) -> OutgoingRecord:
        """What goes to Kafka of a record with headers and a JSON value. Never raises, leaves nothing out."""
        ce_type = dict(record.headers).get("ce_type", b"")
        schema_id = self._ids.get(ce_type)
        if schema_id is None or record.value is None:
            return record
        try:
            body = self._schemas[ce_type].encode(record.value)
        except AvroError as error:
            if ce_type not in self._misfits:
                action = "none: it goes as JSON; compare contracts/avro with what was recorded"
                log.warning("event_not_avro", type=ce_type.decode(), reason=str(error), action=action)
            self._misfits.add(ce_type)
            return record
        headers = tuple([_AVRO_HEADER if each[0] == "content-type" else each for each in record.headers])
        return OutgoingRecord(record.topic, record.key, framed(schema_id, body), headers, record.partition)

    async def run(self) -> None:
        """Look every 30 s until all ids are known and the registry agrees, or for ever."""
        await PeriodicTask(self.look, interval_seconds=_LOOK_SECONDS).run()

    async def look(self) -> None:
        """Look once for what is not settled yet."""
        if self._agreed and len(self._agreed) == len(self._schemas):
            return
        with outage_suppressed("schemas_not_loaded"):
            registered = {each.fingerprint: each.id for each in await self._known.registered()}
            for ce_type, schema in self._schemas.items():
                if (schema_id := registered.get(schema.fingerprint)) is None:
                    self._reason = "run `python -m contracts schemas register`"
                elif await self._is_agreed(schema_id, schema):
                    self._ids[ce_type] = schema_id
                else:
                    self._ids.pop(ce_type, None)

    async def check(self) -> CheckResult:
        """Degraded while something goes as JSON."""
        left = sorted(each.decode() for each in self._schemas.keys() - self._ids.keys())
        if left:
            return CheckResult(Status.DEGRADED, f"Sent as JSON: {', '.join(left)}: {self._reason}.")
        return CheckResult(Status.OK)

    async def _is_agreed(self, schema_id: int, schema: AvroSchema) -> bool:
        """Whether the registry says the same of this id. While it is away its former word counts."""
        if schema_id in self._agreed:
            return True
        try:
            said = fingerprint_of(msgspec.json.decode(await self._registry.definition(schema_id)))
        except RegistryUnavailableError as error:
            log.warning("schema_registry_not_asked", reason=str(error), action="none: known ids are used")
            return True
        except (UnknownSchemaError, msgspec.DecodeError) as error:
            said = str(error)
        if said != schema.fingerprint:
            self._reason = f"the registry has another schema, or none, under id {schema_id}: bring it back"
            log.error(
                "schema_id_lost", schema_id=schema_id, schema=schema.name, action="restore the registry"
            )
            return False
        self._agreed.add(schema_id)
        return True
