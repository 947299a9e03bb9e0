"""Schemas kit: in which form events travel, whatever form the outbox holds them in."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.schemas.as_recorded import AsRecorded
from kits.schemas.avro import Definition
from kits.schemas.known_schemas import SqlKnownSchemas
from kits.schemas.registry import registry_of
from kits.schemas.settings import EventFormat, SchemaRegistrySettings
from kits.schemas.writing import AvroWriter


class FormatSettings(Protocol):
    """What a process that writes events reads."""

    @property
    def event_format(self) -> EventFormat: ...
    @property
    def schema_registry(self) -> SchemaRegistrySettings: ...


def record_format(
    settings: FormatSettings,
    engine: AsyncEngine,
    known_schema: Table,
    schemas: Mapping[str, Definition],
) -> AsRecorded | AvroWriter:
    """What the settings ask for.

    Args:
        known_schema: where `schemas register` writes ids, on this engine.
        schemas: the Avro schema of each `ce_type` of the outbox.
    """
    if settings.event_format == "json":
        return AsRecorded()
    registry = settings.schema_registry
    return AvroWriter(schemas, SqlKnownSchemas(engine, known_schema, registry.url), registry_of(registry))
