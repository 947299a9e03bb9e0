"""Confluent's serializers for Python read what we write and write what we read, to the byte."""

import json
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from devservices.registry import RegistryServer
from judges.avro_samples import RICH, RICH_RECORD, SAMPLES, Sample
from kits.schemas.framing import framed
from kits.schemas.registry import SchemaRegistry

CONTEXT = SerializationContext("topic", MessageField.VALUE)


def serialized(client: SchemaRegistryClient, text: str, record: Any) -> bytes:
    """What Confluent's serializer makes of it; it registers the schema by itself."""
    options = {"auto.register.schemas": True, "subject.name.strategy": record_subject_name_strategy}
    value: bytes = AvroSerializer(client, text, conf=options)(record, CONTEXT)
    return value


async def registered(apicurio: RegistryServer, subject: str, text: str) -> int:
    """The id that our client got."""
    registry = SchemaRegistry(url=apicurio.url, within_seconds=60)
    return await registry.register(subject, text)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
async def test_our_events_are_the_same_bytes_and_are_read_both_ways(
    apicurio: RegistryServer, confluent: SchemaRegistryClient, sample: Sample
) -> None:
    """Also the id: both find the same schema in the registry."""
    schema_id = await registered(apicurio, sample.subject, sample.text)
    ours = sample.ours(schema_id)
    record = AvroDeserializer(confluent)(ours, CONTEXT)
    assert as_json(record) == json.loads(sample.content)
    made = serialized(confluent, sample.text, record)
    assert made == ours
    assert sample.read_by_us(made) == sample.content


async def test_every_type_is_the_same_bytes_and_is_read_both_ways(
    apicurio: RegistryServer, confluent: SchemaRegistryClient
) -> None:
    """By the codec that we use, in our framing."""
    text = json.dumps(RICH)
    schema_id = await registered(apicurio, "judges.Everything", text)
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(dict(RICH)), RICH_RECORD)
    ours = framed(schema_id, body.getvalue())
    record = AvroDeserializer(confluent)(ours, CONTEXT)
    assert {**record, "at": round(record["at"].timestamp() * 1000)} == RICH_RECORD
    assert serialized(confluent, text, record) == ours


def as_json(value: Any) -> Any:
    """A record as its JSON has it: moments are text."""
    if isinstance(value, Mapping):
        return {key: as_json(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    return (
        value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if isinstance(value, datetime)
        else value
    )
