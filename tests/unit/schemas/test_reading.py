"""Avro on the way in: JSON for the handler, or a record's fault, or a partition that waits."""

import asyncio
from collections import deque

import pytest
from structlog.testing import capture_logs

from contracts.avro_schemas import avro_schemas, subjects
from kits.kafka.records import Headers, IncomingRecord, TopicPartition
from kits.observability.health import Status
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import framed
from kits.schemas.known_schemas import KnownSchema
from kits.schemas.reading import AvroReader
from kits.schemas.registry import RegistryUnavailableError, UnknownSchemaError
from tests.virtual_time import run_virtually

USER = AvroSchema(avro_schemas()["user.created.v1"])
JSON = b'{"id":"1","name":"a","email":"b"}'
AT, OTHER = TopicPartition("users", 0), TopicPartition("users", 1)
HEADERS = (("content-type", b"application/avro"), ("ce_type", b"user.created.v1"))


class Registry:
    """Says what the test says, after as long as it says."""

    def __init__(self, **schemas: str) -> None:
        self.has_address = True
        self.schemas = {int(name.removeprefix("id")): text for name, text in schemas.items()}
        self.outages: deque[str] = deque()
        self.asked: list[int] = []
        self.seconds = 0.0

    async def definition(self, schema_id: int) -> str:
        """See SchemaRegistry."""
        self.asked.append(schema_id)
        await asyncio.sleep(self.seconds)
        if self.outages:
            raise RegistryUnavailableError(self.outages.popleft())
        if schema_id not in self.schemas:
            raise UnknownSchemaError(schema_id, "is not known to the schema registry")
        return self.schemas[schema_id]


class Known:
    """What outlives a process."""

    def __init__(self) -> None:
        self.schemas: dict[int, KnownSchema] = {}

    async def all(self) -> list[KnownSchema]:
        """See SqlKnownSchemas."""
        return list(self.schemas.values())

    async def keep(self, schema: KnownSchema) -> None:
        """See SqlKnownSchemas."""
        self.schemas[schema.id] = schema


def record(
    value: bytes | None, offset: int = 0, *, at: TopicPartition = AT, headers: Headers = HEADERS
) -> IncomingRecord:
    """A record of a partition."""
    return IncomingRecord(at.topic, at.partition, offset, 0, b"k", value, headers)


def avro(schema_id: int = 7, offset: int = 0, *, at: TopicPartition = AT) -> IncomingRecord:
    """A user under this id."""
    return record(framed(schema_id, USER.encode(JSON)), offset, at=at)


def reader(registry: Registry, known: Known | None = None) -> AvroReader:
    return AvroReader("schemas", registry, known or Known(), subjects())


def test_avro_becomes_the_json_that_it_was() -> None:
    """Value and content-type; key, place and other headers stay, and JSON passes untouched."""

    async def run() -> None:
        registry = Registry(id7=USER.text)
        plain = record(JSON, 1, headers=(("content-type", b"application/json"),))
        read, held = await reader(registry).read(
            {AT: [avro(), plain, record(None, 2)], OTHER: [avro(at=OTHER)]}
        )
        assert held == []
        first, second, third = read[AT]
        assert (first.value, first.offset, first.key, first.fault) == (JSON, 0, b"k", None)
        assert first.headers == (("content-type", b"application/json"), HEADERS[1])
        assert (second, third) == (plain, record(None, 2))
        assert [each.value for each in read[OTHER]] == [JSON]
        assert registry.asked == [7]

    run_virtually(run())


def test_what_was_learned_outlives_the_process_and_the_registry() -> None:
    """A second process knows it without asking."""

    async def run() -> None:
        known = Known()
        await reader(Registry(id7=USER.text), known).read({AT: [avro()]})
        away = Registry()
        away.outages.extend(["away"] * 9)
        read, held = await reader(away, known).read({AT: [avro()]})
        assert (read[AT][0].value, held, away.asked) == (JSON, [], [])

    run_virtually(run())


def test_a_registry_that_is_away_stops_one_partition_and_no_other() -> None:
    """What stands before goes on; nothing becomes a dead letter, and it goes on when the registry is back."""

    async def run() -> None:
        registry = Registry(id7=USER.text)
        registry.outages.extend(["down", "down"])
        reading = reader(registry)
        json = record(JSON, 0)
        with capture_logs() as logs:
            read, (held,) = await reading.read(
                {AT: [json, avro(offset=1), avro(offset=2)], OTHER: [record(JSON, at=OTHER)]}
            )
            assert (list(read[AT]), len(read[OTHER])) == ([json], 1)
            assert (held.topic_partition, held.offset, held.code) == (AT, 1, "schema_unavailable")
            assert "schema with id 7" in str(held)
            assert "down" in str(held)
            assert (await reading.check()).status is Status.DEGRADED
            # Not asked again at once, and said once.
            await reading.read({AT: [avro(offset=1)]})
            assert registry.asked == [7]
            await asyncio.sleep(3)
            await reading.read({AT: [avro(offset=1)]})
            await asyncio.sleep(3)
            read, held_now = await reading.read({AT: [avro(offset=1)]})
        assert (read[AT][0].value, held_now, registry.asked) == (JSON, [], [7, 7, 7])
        assert (await reading.check()).status is Status.OK
        assert [each["event"] for each in logs] == ["schema_registry_unavailable"]

    run_virtually(run())


def test_a_slow_registry_is_waited_for_a_second_and_asked_once() -> None:
    """Other partitions are read meanwhile; the answer counts when it comes."""

    async def run() -> None:
        registry = Registry(id7=USER.text)
        registry.seconds = 1.5
        reading = reader(registry)
        _, (held,) = await reading.read({AT: [avro()]})
        assert "not answered yet" in str(held)
        read, held_now = await reading.read({AT: [avro()]})
        assert (read[AT][0].value, held_now, registry.asked) == (JSON, [], [7])

    run_virtually(run())


def test_an_id_that_a_healthy_registry_does_not_know_is_a_fault_with_the_id() -> None:
    """The record keeps its bytes; the id is asked for again after half a minute at most."""

    async def run() -> None:
        registry = Registry()
        reading = reader(registry)
        stranger = avro(99)
        read, held = await reading.read({AT: [stranger, avro(99, 1)]})
        found = read[AT][0]
        assert found.fault is not None
        assert (held, found.value, found.fault.code) == ([], stranger.value, "unknown_schema")
        assert "schema id 99" in found.fault.reason
        assert registry.asked == [99]
        registry.schemas[99] = USER.text
        await asyncio.sleep(31)
        read, _ = await reading.read({AT: [stranger]})
        assert read[AT][0].value == JSON

    run_virtually(run())


@pytest.mark.parametrize(
    ("definition", "value", "code"),
    [
        pytest.param(USER.text, framed(7, b"\xff"), "undecodable_value", id="bytes that do not fit"),
        pytest.param(USER.text, framed(7, USER.encode(JSON) + b"x"), "undecodable_value", id="too many"),
        pytest.param(USER.text, framed(7, b""), "undecodable_value", id="none"),
        pytest.param(USER.text.replace("users", "others"), avro().value, "other_schema", id="another schema"),
        pytest.param('{"type":"string"}', avro().value, "unknown_schema", id="no record"),
        pytest.param("no JSON", avro().value, "unknown_schema", id="no schema"),
    ],
)
def test_bytes_of_a_wrong_schema_are_a_fault_with_the_id(definition: str, value: bytes, code: str) -> None:
    """Now and later: they are no outage."""

    async def run() -> None:
        read, held = await reader(Registry(id7=definition)).read({AT: [record(value)]})
        fault = read[AT][0].fault
        assert fault is not None
        assert (held, read[AT][0].value, fault.code) == ([], value, code)
        assert "schema id 7" in fault.reason

    run_virtually(run())


def test_without_a_registry_avro_waits_and_other_bytes_do_not() -> None:
    """A missing setting must not make dead letters of orders; a stranger's zero byte is unreadable."""

    async def run() -> None:
        registry = Registry()
        registry.has_address = False
        registry.outages.append("it has no address")
        stranger = record(b"\x00\x00\x00\x00\x07rubbish", headers=())
        read, (held,) = await reader(registry).read({AT: [avro()], OTHER: [stranger]})
        assert (held.topic_partition, read) == (AT, {OTHER: [stranger]})

    run_virtually(run())


def test_ids_that_strangers_make_up_do_not_fill_the_memory() -> None:
    """Nor the registry's log: each is asked for once in a while."""

    async def run() -> None:
        reading = reader(Registry())
        for schema_id in range(1_500):
            await reading.read({AT: [avro(schema_id)]})
        assert len(reading._unknown) <= 1_000

    run_virtually(run())


def test_closing_ends_what_is_being_asked() -> None:
    """No task is left behind."""

    async def run() -> None:
        registry = Registry(id7=USER.text)
        registry.seconds = 1_000
        reading = reader(registry)
        await reading.read({AT: [avro()]})
        await reading.close()
        assert len(asyncio.all_tasks()) == 1

    run_virtually(run())
