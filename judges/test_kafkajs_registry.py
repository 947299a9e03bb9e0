"""kafkajs's client of schema registries reads what we write and writes what we read, to the byte."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from typing import Any

import fastavro
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from devservices.registry import RegistryServer
from judges.avro_samples import RICH, RICH_RECORD, SAMPLES, Sample
from judges.packages import KAFKAJS_REGISTRY
from judges.programs import Program, node_program
from kits.schemas.framing import body_of, framed
from kits.schemas.registry import SchemaRegistry


@pytest.fixture
async def theirs(apicurio: RegistryServer) -> AsyncIterator[Program]:
    """The client of kafkajs."""
    async with node_program("kafkajs/registry", KAFKAJS_REGISTRY, apicurio.url) as program:
        yield program


async def done(program: Program, **command: Any) -> Any:
    """Its answer; its error is the test's."""
    said = await program.ask(**command)
    assert "answer" in said, said
    return said["answer"]


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.name for sample in SAMPLES])
async def test_our_events_are_the_same_bytes_and_are_read_both_ways(
    apicurio: RegistryServer, confluent: SchemaRegistryClient, theirs: Program, sample: Sample
) -> None:
    """Also the id: both find the same schema in the registry."""
    registry = SchemaRegistry(url=apicurio.url, within_seconds=60)
    schema_id = await registry.register(sample.subject, sample.text)
    # It registers nothing where another rule is in force, and Apicurio tells none but the subject's own.
    confluent.set_compatibility(sample.subject, "BACKWARD")
    assert await done(theirs, register=sample.text, subject=sample.subject) == {"id": schema_id}
    ours = sample.ours(schema_id)
    record = await done(theirs, decode=b64encode(ours).decode())
    assert record == numbers(json.loads(sample.content), sample, ours)
    made = b64decode(await done(theirs, encode=record, id=schema_id))
    assert made == ours
    assert sample.read_by_us(made) == sample.content


async def test_every_type_is_the_same_bytes_and_is_read_both_ways(
    apicurio: RegistryServer, theirs: Program
) -> None:
    """By the codec that we use, in our framing."""
    text = json.dumps(RICH)
    registry = SchemaRegistry(url=apicurio.url, within_seconds=60)
    schema_id = await registry.register("judges.Everything", text)
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(dict(RICH)), RICH_RECORD)
    ours = framed(schema_id, body.getvalue())
    record = await done(theirs, decode=b64encode(ours).decode())
    assert as_python(record) == RICH_RECORD
    assert b64decode(await done(theirs, encode=record, id=schema_id)) == ours


def numbers(record: dict[str, Any], sample: Sample, ours: bytes) -> dict[str, Any]:
    """The record as a client without logical types has it: moments are milliseconds."""
    plain = json.loads(sample.text.replace('"logicalType"', '"meant"'))
    read = fastavro.schemaless_reader(BytesIO(body_of(ours)), fastavro.parse_schema(plain), None)
    assert isinstance(read, dict)
    moments = {name: value for name, value in read.items() if isinstance(record[name], str)}
    return record | moments


def as_python(value: Any) -> Any:
    """A record with its bytes as bytes; Node writes a Buffer as an object."""
    if isinstance(value, Mapping):
        if value.get("type") == "Buffer":
            return bytes(value["data"])
        return {key: as_python(each) for key, each in value.items()}
    return [as_python(each) for each in value] if isinstance(value, list) else value
