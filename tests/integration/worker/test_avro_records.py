"""Avro in the topic: the inbox holds JSON; an unknown schema holds its partition, or is a dead letter."""

from collections.abc import AsyncIterator
from uuid import uuid4

import msgspec
import pytest

from contracts.avro_schemas import avro_schemas, subjects
from contracts.envelope import EventMessage, headers_of
from kits.kafka.records import OutgoingRecord
from kits.postgres.engine import create_engine
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import framed
from kits.schemas.known_schemas import SqlKnownSchemas
from kits.schemas.reading import AvroReader
from kits.schemas.registry import SchemaRegistry
from tests.contract.golden_files import EVENT_ID, ORDER_ID, the_message
from tests.integration.kafka.clients import producing, soon
from tests.integration.worker.receiving import Inbox, inbox_in
from tests.integration.worker.test_consumer_group import Members
from tests.registry_server import RegistryServer, registry_server
from tests.waiting import eventually
from worker.inbox.table import SCHEMA, known_schema

CREATED = AvroSchema(avro_schemas()["order.created.v1"])


@pytest.fixture
async def registry() -> AsyncIterator[RegistryServer]:
    """A registry that a test may break."""
    async with registry_server() as running:
        yield running


@pytest.fixture
async def inbox(database_url: str) -> AsyncIterator[Inbox]:
    """An empty inbox."""
    async with inbox_in(database_url) as inbox:
        yield inbox


@pytest.fixture
def members(kafka_servers: str, topic: str) -> Members:
    """A group on a topic of its own."""
    return Members(kafka_servers, topic)


@pytest.fixture
async def values(registry: RegistryServer, database_url: str) -> AsyncIterator[AvroReader]:
    """As the worker has it."""
    engine = create_engine(database_url, application_name="test", schemas={SCHEMA: "delivery"})
    known = SqlKnownSchemas(engine, known_schema, registry.url)
    reader = AvroReader("schemas", SchemaRegistry(url=registry.url), known, subjects())
    yield reader
    await reader.close()
    await engine.dispose()


def created() -> EventMessage:
    """The first event of another order each time."""
    event_id, order_id = str(uuid4()), str(uuid4())
    message = the_message()
    payload = message.payload.replace(EVENT_ID.encode(), event_id.encode())
    payload = payload.replace(ORDER_ID.encode(), order_id.encode())
    return msgspec.structs.replace(message, event_id=event_id, aggregate_id=order_id, payload=payload)


async def write(members: Members, *messages: EventMessage, schema_id: int, partition: int = 0) -> None:
    """Write them as Avro under this id; 0: as JSON."""
    async with producing(members.servers) as producer:
        for message in messages:
            value = framed(schema_id, CREATED.encode(message.payload)) if schema_id else message.payload
            kind = ("content-type", b"application/avro" if schema_id else b"application/json")
            headers = tuple(kind if each[0] == "content-type" else each for each in headers_of(message))
            record = OutgoingRecord(members.topic, message.key, value, headers, partition)
            await producer.send(record, not_after=soon())


async def payloads(inbox: Inbox) -> set[bytes]:
    """What can be delivered."""
    rows = await inbox.ask("SELECT payload FROM delivery.inbox_event WHERE dead_at IS NULL")
    return {payload for (payload,) in rows}


async def test_a_partition_waits_for_the_registry_and_the_others_go_on(
    inbox: Inbox, members: Members, registry: RegistryServer, values: AvroReader
) -> None:
    """No dead letter, nothing lost, in order; the check names the partition and the id."""
    schema_id = await SchemaRegistry(url=registry.url).register(CREATED.name, CREATED.text)
    registry.says(503)
    before, waiting, behind, beside = created(), created(), created(), created()
    await write(members, before, schema_id=0)
    await write(members, waiting, schema_id=schema_id)
    await write(members, behind, schema_id=0)
    async with members.running(inbox.worker(), values) as group:
        await write(members, beside, schema_id=0, partition=1)

        async def the_others_are_there() -> bool:
            return await payloads(inbox) == {before.payload, beside.payload}

        await eventually(the_others_are_there)
        check, schemas = group.checks()

        async def it_is_told() -> bool:
            said = (await check.check()).detail
            return f"schema with id {schema_id}" in said and f"{members.topic}-0" in said

        await eventually(it_is_told)
        assert "503" in (await schemas.check()).detail
        assert await payloads(inbox) == {before.payload, beside.payload}
        registry.answer = registry.as_registry

        async def all_are_there() -> bool:
            return await payloads(inbox) == {each.payload for each in (before, waiting, behind, beside)}

        await eventually(all_are_there)
        assert group.rebuilds == {}
    rows = await inbox.ask("SELECT count(*) FROM delivery.inbox_event WHERE dead_at IS NOT NULL")
    assert rows == [(0,)]
    assert [each.id for each in await values._known.all()] == [schema_id]


async def test_what_no_registry_knows_or_does_not_fit_is_a_dead_letter_with_its_id_and_bytes(
    inbox: Inbox, members: Members, registry: RegistryServer, values: AvroReader
) -> None:
    """The next event of the partition goes on."""
    user = AvroSchema(avro_schemas()["user.created.v1"])
    other = await SchemaRegistry(url=registry.url).register(user.name, user.text)
    unknown, misfit, good = created(), created(), created()
    await write(members, unknown, schema_id=4_711)
    await write(members, misfit, schema_id=other)
    await write(members, good, schema_id=0)
    async with members.running(inbox.worker(), values):

        async def is_through() -> bool:
            return await payloads(inbox) == {good.payload}

        await eventually(is_through)
    rows = await inbox.ask(
        "SELECT event_id, error_code, error_message, payload FROM delivery.inbox_event"
        " WHERE dead_at IS NOT NULL"
    )
    found = {event_id: (code, message, payload) for event_id, code, message, payload in rows}
    assert found.keys() == {unknown.event_id, misfit.event_id}
    code, message, payload = found[unknown.event_id]
    assert (code, "schema id 4711" in message) == ("unknown_schema", True)
    assert payload == framed(4_711, CREATED.encode(unknown.payload))
    code, message, _ = found[misfit.event_id]
    assert (code, f"schema id {other}" in message) == ("other_schema", True)


async def test_an_event_whose_schema_the_registry_has_again_takes_the_place_of_its_dead_letter(
    inbox: Inbox, members: Members, registry: RegistryServer, values: AvroReader
) -> None:
    """As the runbook says: restore the registry, then send it once more."""
    lost = created()
    await write(members, lost, schema_id=4_711)
    async with members.running(inbox.worker(), values):

        async def is_dead() -> bool:
            rows = await inbox.ask("SELECT error_code FROM delivery.inbox_event WHERE dead_at IS NOT NULL")
            return rows == [("unknown_schema",)]

        await eventually(is_dead)
        registry.schemas[4_711] = {"schema": CREATED.text}
        # Half a minute later.
        values._unknown.clear()
        await write(members, lost, schema_id=4_711)

        async def is_healed() -> bool:
            return await payloads(inbox) == {lost.payload}

        await eventually(is_healed)
    assert await inbox.ask("SELECT error_code, dead_at FROM delivery.inbox_event") == [(None, None)]
