"""Avro in the stream of the sales: the same order, a dead letter, or an engine that begins again."""

import pytest

from contracts.avro_schemas import avro_schemas, subjects
from contracts.envelope import headers_of
from kits.schemas.avro import AvroSchema
from kits.schemas.framing import framed
from kits.schemas.registry import RegistryUnavailableError
from services.sales.stream.formats import EventFormats
from services.sales.stream.reading import CreatedOrder, OrderReading, Unreadable
from tests.contract.golden_files import the_message
from tests.unit.schemas.test_reading import Registry

CREATED = AvroSchema(avro_schemas()["order.created.v1"])
USER = AvroSchema(avro_schemas()["user.created.v1"])
MESSAGE = the_message()
VALUE = framed(7, CREATED.encode(MESSAGE.payload))
HEADERS = [
    ("content-type", b"application/avro"),
    *(each for each in headers_of(MESSAGE) if each[0] != "content-type"),
]


def read(
    registry: Registry, value: bytes = VALUE, headers: object = HEADERS
) -> CreatedOrder | Unreadable | None:
    reading = OrderReading(EventFormats(registry, subjects()))
    return reading.order_of(value, MESSAGE.key, 0, headers)  # type: ignore[arg-type]


def test_an_order_in_avro_is_the_same_order() -> None:
    """Its event is the JSON that it would have been; each id is asked for once."""
    registry = Registry(id7=CREATED.text)
    reading = OrderReading(EventFormats(registry, subjects()))
    plain = reading.order_of(MESSAGE.payload, MESSAGE.key, 0, headers_of(MESSAGE))
    assert isinstance(plain, CreatedOrder)
    assert [reading.order_of(VALUE, MESSAGE.key, 0, HEADERS) for _ in range(2)] == [plain, plain]
    assert registry.asked == [7]


def test_a_registry_that_is_away_ends_the_engine_and_makes_no_dead_letter() -> None:
    """It begins again at this record; so it does where the address of the registry is missing."""
    away, none = Registry(id7=CREATED.text), Registry()
    away.outages.append("down")
    none.has_address = False
    none.outages.append("it has no address")
    for registry in (away, none):
        with pytest.raises(RegistryUnavailableError):
            read(registry)
    assert isinstance(read(away), CreatedOrder)


@pytest.mark.parametrize(
    ("registry", "value", "headers", "code"),
    [
        pytest.param(Registry(), VALUE, HEADERS, "unknown_schema", id="unknown id"),
        pytest.param(Registry(id7=USER.text), VALUE, HEADERS, "other_schema", id="another schema"),
        pytest.param(Registry(id7=CREATED.text), VALUE[:-1], HEADERS, "undecodable_value", id="too short"),
        pytest.param(Registry(id7=USER.text), VALUE, [], "undecodable_value", id="no headers"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_with_its_id_and_bytes(
    registry: Registry, value: bytes, headers: object, code: str
) -> None:
    """Now and later."""
    found = read(registry, value, headers)
    assert isinstance(found, Unreadable)
    assert (found.code, found.value, "schema id 7" in found.reason) == (code, value, True)


def test_an_unknown_id_is_not_asked_for_with_every_record() -> None:
    """A stranger may write many of them."""
    registry = Registry()
    formats = EventFormats(registry, subjects())
    for _ in range(50):
        assert isinstance(OrderReading(formats).order_of(VALUE, MESSAGE.key, 0, HEADERS), Unreadable)
    assert registry.asked == [7]


def test_a_stranger_s_zero_byte_is_unreadable_where_nobody_writes_avro() -> None:
    """No registry is named, and its headers say nothing of Avro."""
    registry = Registry()
    registry.has_address = False
    found = read(registry, b"\x00\x00\x00\x00\x07rubbish", headers_of(MESSAGE))
    assert isinstance(found, Unreadable)
    assert registry.asked == []
