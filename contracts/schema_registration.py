"""Contract, registration: the ids of the schemas, from the registry into the databases that use them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec

from contracts.avro_schemas import avro_schemas
from kits.observability.logs import LogSettings
from kits.postgres.address import address_problems
from kits.postgres.engine import DatabaseSettings, SchemaName, create_engine
from kits.postgres.readiness import opened
from kits.postgres.schema import DECLARED_SCHEMA, metadata
from kits.schemas.avro import AvroSchema, fingerprint_of
from kits.schemas.known_schemas import KnownSchema, SchemaIdInUseError, SqlKnownSchemas, known_schema_table
from kits.schemas.registry import SchemaRegistry, UnknownSchemaError, registry_of
from kits.schemas.settings import SchemaRegistrySettings
from kits.settings import Secret

CLIENT_ID = "order-contracts"


class InboxPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the inbox lives, if not in the shop's database: `WORKER_…`."""

    database_url: Secret = Secret("")
    database_schema: SchemaName = "delivery"


class MembersPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where the members live, if not in the shop's database: `MEMBERS_…`."""

    database_url: Secret = Secret("")
    database_schema: SchemaName = "members"


class RegistrationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `schemas register` reads."""

    database: DatabaseSettings
    worker: InboxPlace = InboxPlace()
    members: MembersPlace = MembersPlace()
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    log: LogSettings = LogSettings()

    def problems(self) -> list[str]:
        """What is wrong with the values together; one sentence each."""
        found = (
            [] if self.schema_registry.url else ["SCHEMA_REGISTRY_URL is missing: set it (see .env.example)."]
        )
        for name, url in (
            ("WORKER_DATABASE_URL", self.worker.database_url),
            ("MEMBERS_DATABASE_URL", self.members.database_url),
        ):
            found += address_problems(name, url) if url else []
        return found


class _Place(NamedTuple):
    name: str
    url: Secret
    schema: str
    owner: str
    """Of the table: see known_schema_table."""


async def registered(settings: RegistrationSettings) -> tuple[list[KnownSchema], list[str]]:
    """Register every schema of the contracts; returns them with their ids, and a sentence per database.

    Nothing is told to the registry before it has confirmed the ids that are in use.

    Raises:
        SchemaIdInUseError: the registry has lost or given away an id that is in use.
        RegistryUnavailableError, SchemaRefusedError, DatabaseUnreachableError, DATABASE_ERRORS.
    """
    registry = registry_of(settings.schema_registry)
    there: list[_Place] = []
    sentences: list[str] = []
    for place in _places(settings):
        async with _known(place, settings) as known:
            if await known.is_there():
                await _confirm(registry, place.name, await known.registered())
                there.append(place)
            else:
                sentences.append(f"{place.name}: has no tables of this build, so nothing was written there.")
    found = [await _registered(registry, AvroSchema(each)) for each in avro_schemas().values()]
    for place in there:
        async with _known(place, settings) as known:
            await known.register(found)
        sentences.append(f"{place.name}: knows {len(found)} schemas of {settings.schema_registry.url}.")
    return found, sentences


async def _registered(registry: SchemaRegistry, schema: AvroSchema) -> KnownSchema:
    schema_id = await registry.register(schema.name, schema.text)
    return KnownSchema(schema_id, schema.name, schema.fingerprint, schema.text)


async def _confirm(registry: SchemaRegistry, name: str, used: Sequence[KnownSchema]) -> None:
    for schema in used:
        try:
            said = fingerprint_of(msgspec.json.decode(await registry.definition(schema.id)))
        except (UnknownSchemaError, msgspec.DecodeError):
            said = ""
        if said != schema.fingerprint:
            now = "has another schema there" if said else "does not know that id"
            raise SchemaIdInUseError(
                f"Events of the {name} have been written under id {schema.id} ({schema.subject}), and the "
                f"registry {now}: was it wiped? Restore it from its backup. Nothing was registered."
            )


def _places(settings: RegistrationSettings) -> list[_Place]:
    shop, inbox, members = settings.database, settings.worker, settings.members
    return [
        _Place("shop", shop.url, shop.schema, "outbox"),
        _Place("inbox", inbox.database_url or shop.url, inbox.database_schema, "inbox"),
        _Place("members", members.database_url or shop.url, members.database_schema, "member"),
    ]


@asynccontextmanager
async def _known(place: _Place, settings: RegistrationSettings) -> AsyncIterator[SqlKnownSchemas]:
    schemas = {DECLARED_SCHEMA: place.schema}
    engine = create_engine(place.url, application_name=CLIENT_ID, pool_size=1, schemas=schemas)
    table = known_schema_table(metadata(), place.owner)
    async with opened(engine, None, within_seconds=settings.database.wait_seconds):
        yield SqlKnownSchemas(engine, table, settings.schema_registry.url)
