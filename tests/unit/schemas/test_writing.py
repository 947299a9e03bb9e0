"""Avro on the way out: what has an id goes as Avro, everything else as it was recorded."""

import pytest
from structlog.testing import capture_logs

from contracts.avro_schemas import avro_schemas, subjects
from contracts.json_schemas import SCHEMAS
from kits.kafka.records import IncomingRecord, OutgoingRecord, TopicPartition
from kits.observability.health import Status
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import schema_id_of
from kits.schemas.known_schemas import KnownSchema
from kits.schemas.reading import AvroReader
from kits.schemas.writing import AvroWriter
from tests.contract.golden_files import golden_bytes
from tests.unit.schemas.test_reading import Known, Registry
from tests.virtual_time import run_virtually

DEFINITIONS = avro_schemas(SCHEMAS)
TEXTS = {number: AvroSchema(each) for number, each in enumerate(DEFINITIONS.values(), 1)}
GOLDEN = list(golden_bytes())
CREATED = GOLDEN[0]


class Registered:
    """The table, as `schemas register` has filled it."""

    def __init__(self, *ids: int) -> None:
        self.ids = set(ids or TEXTS)

    async def registered(self) -> list[KnownSchema]:
        """See SqlKnownSchemas."""
        return [
            KnownSchema(number, each.name, each.fingerprint, each.text)
            for number, each in TEXTS.items()
            if number in self.ids
        ]


def registry() -> Registry:
    """One that says the same as the table."""
    return Registry(**{f"id{number}": each.text for number, each in TEXTS.items()})


def recorded(ce_type: str, payload: bytes) -> OutgoingRecord:
    """An event as the outbox hands it out."""
    headers = (("content-type", b"application/json"), ("ce_type", ce_type.encode()), ("ce_id", b"e"))
    return OutgoingRecord("events", b"key", payload, headers)


@pytest.mark.parametrize(("golden", "ce_type", "payload"), GOLDEN, ids=[each[0].name for each in GOLDEN])
def test_every_event_arrives_as_the_json_that_it_would_have_been(
    golden: object, ce_type: str, payload: bytes
) -> None:
    """Byte for byte, through Avro that is smaller by half at least."""

    async def run() -> None:
        writer = AvroWriter(DEFINITIONS, Registered(), registry())
        await writer.look()
        sent = writer.encoded(recorded(ce_type, payload))
        assert sent.value is not None
        assert schema_id_of(sent.value) == [*DEFINITIONS].index(ce_type) + 1
        assert len(sent.value) < 0.7 * len(payload)
        assert dict(sent.headers)["content-type"] == b"application/avro"
        assert (sent.topic, sent.key, sent.headers[1:]) == (
            "events",
            b"key",
            recorded(ce_type, b"").headers[1:],
        )
        assert writer.encoded(recorded(ce_type, payload)) == sent
        assert (await writer.check()).status is Status.OK
        at = TopicPartition("events", 0)
        came = IncomingRecord("events", 0, 0, 0, sent.key, sent.value, sent.headers)
        read, held = await AvroReader("s", registry(), Known(), subjects()).read({at: [came]})
        assert (read[at][0].value, read[at][0].headers, held) == (payload, recorded(ce_type, b"").headers, [])

    run_virtually(run())


def test_what_has_no_id_goes_as_json_and_health_says_so() -> None:
    """Until `schemas register` has run; then without a restart."""

    async def run() -> None:
        table = Registered(2)
        writer = AvroWriter(DEFINITIONS, table, registry())
        created = recorded("order.created.v1", CREATED[2])
        assert writer.encoded(created) is created
        assert (await writer.check()).status is Status.DEGRADED
        await writer.look()
        assert writer.encoded(created) is created
        found = await writer.check()
        assert (found.status, "order.created.v1" in found.detail) == (Status.DEGRADED, True)
        assert "python -m contracts schemas register" in found.detail
        table.ids = set(TEXTS)
        await writer.look()
        assert writer.encoded(created) != created
        assert (await writer.check()).status is Status.OK

    run_virtually(run())


def test_a_registry_that_is_away_costs_nothing_of_what_is_known() -> None:
    """The ids of the table are used; the registry is asked again later."""

    async def run() -> None:
        away = registry()
        away.outages.extend(["down"] * 100)
        writer = AvroWriter(DEFINITIONS, Registered(), away)
        await writer.look()
        created = recorded("order.created.v1", CREATED[2])
        assert writer.encoded(created) != created
        assert (await writer.check()).status is Status.OK

    run_virtually(run())


@pytest.mark.parametrize("now", ["wiped", "another", "odd"])
def test_an_id_that_the_registry_has_lost_is_not_written_under(now: str) -> None:
    """Nobody else could read it: JSON, degraded, an error in the log, and Avro again when it is back."""

    async def run() -> None:
        changed, texts = registry(), dict(registry().schemas)
        changed.schemas = {
            "wiped": {},
            "another": {number: TEXTS[len(TEXTS) + 1 - number].text for number in TEXTS},
            "odd": dict.fromkeys(TEXTS, "no JSON"),
        }[now]
        writer = AvroWriter(DEFINITIONS, Registered(), changed)
        created = recorded("order.created.v1", CREATED[2])
        with capture_logs() as logs:
            await writer.look()
        assert writer.encoded(created) is created
        assert "under id" in (await writer.check()).detail
        assert {each["event"] for each in logs} == {"schema_id_lost"}
        changed.schemas = texts
        await writer.look()
        assert writer.encoded(created) != created

    run_virtually(run())


@pytest.mark.parametrize("payload", [b"{}", CREATED[2].replace(b'"seq":1', b'"seq":1,"more":1'), b"rubbish"])
def test_what_does_not_fit_its_schema_goes_as_it_is_and_is_said_once(payload: bytes) -> None:
    """Nothing is lost, nothing is left out."""

    async def run() -> None:
        writer = AvroWriter(DEFINITIONS, Registered(), registry())
        await writer.look()
        odd = recorded("order.created.v1", payload)
        with capture_logs() as logs:
            assert [writer.encoded(odd), writer.encoded(odd)] == [odd, odd]
        assert [each["event"] for each in logs] == ["event_not_avro"]

    run_virtually(run())


def test_what_has_no_value_or_no_schema_goes_as_it_is() -> None:
    """A tombstone, a type of another writer, a record without headers."""

    async def run() -> None:
        writer = AvroWriter(DEFINITIONS, Registered(), registry())
        await writer.look()
        for record in (
            OutgoingRecord("t", b"k", None, recorded("order.created.v1", b"").headers),
            recorded("order.refunded.v1", b"{}"),
            OutgoingRecord("t", b"k", CREATED[2]),
        ):
            assert writer.encoded(record) is record

    run_virtually(run())
