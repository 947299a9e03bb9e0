"""One Avro schema: JSON in, Avro out, and the same bytes back."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.avro_schemas import avro_schemas
from contracts.envelope import Time
from kits.schemas.avro import AvroError, AvroSchema, fingerprint_of
from kits.schemas.framing import body_of, framed, schema_id_of
from kits.schemas.generating import NoAvroFormError, avro_of

CREATED = AvroSchema(avro_schemas()["order.created.v1"])
USER = AvroSchema(avro_schemas()["user.created.v1"])
PAID = AvroSchema(avro_schemas()["order.paid.v1"])
WHEN, LATER = "2026-11-21T07:00:00.000Z", "2026-11-21T07:00:00.001Z"
PAID_BYTES = (
    b'{"eventId":"e","eventType":"order.paid","eventVersion":1,"orderId":"o","seq":2,"occurredAt":%s,"order":'
    b'{"customerId":"c","currency":"EUR","subtotal":1,"discount":0,"total":1,"couponCode":null,"status":"PAID",'
    b'"payment":{"provider":"p","reference":"r"}}}'
)


@given(some.builds(dict, id=some.text(), name=some.text(), email=some.text()))
def test_any_text_comes_back_as_the_same_bytes(user: dict[str, str]) -> None:
    """NUL, quotes, everything beyond the basic plane."""
    content = msgspec.json.encode(user)
    assert USER.decode(USER.encode(content)) == content


@given(some.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing else comes out: no other error, no hanging, no megabytes of a few bytes."""
    for schema in (CREATED, USER):
        try:
            content = schema.decode(body)
        except AvroError:
            continue
        assert schema.decode(schema.encode(content)) == content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id":"1","name":"a"}',
        b'{"id":"1","name":"a","email":1}',
        b'{"id":"1","name":"a","email":null}',
        b'{"id":"1","name":"a","email":"b","more":1}',
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_left_out(content: bytes) -> None:
    """A member that the schema does not know would be lost on the way."""
    with pytest.raises(AvroError, match="UserCreated"):
        USER.encode(content)


@pytest.mark.parametrize(
    "when", [b"2026-11-21T07:00:00.000Z", b"1969-12-31T23:59:59.999Z", b"9999-12-31T23:59:59.999Z"]
)
def test_a_moment_is_a_number_on_the_way_and_the_same_text_behind(when: bytes) -> None:
    """Milliseconds since 1970, before and after."""
    content = PAID_BYTES % (b'"%s"' % when)
    assert PAID.decode(PAID.encode(content)) == content


@pytest.mark.parametrize(
    "when",
    [
        b'"2026-11-21T07:00:00.0001Z"',
        b'"2026-11-21T08:00:00.000+01:00"',
        b'"2026-11-21 07:00:00.000Z"',
        b'"2026-W47-6T07:00:00.000Z"',
        b'"now"',
        b"1",
        b'"2026-11-21T07:00:00Z"',
    ],
)
def test_a_moment_in_another_form_is_refused(when: bytes) -> None:
    """It would come back in another one."""
    with pytest.raises(AvroError):
        PAID.encode(PAID_BYTES % when)


@pytest.mark.parametrize("left", [b"\x00", b"more"])
def test_bytes_that_are_left_over_do_not_fit(left: bytes) -> None:
    """They were written with a longer schema."""
    with pytest.raises(AvroError, match="left over"):
        USER.decode(USER.encode(b'{"id":"1","name":"a","email":"b"}') + left)


@pytest.mark.parametrize(
    "definition", ['"string"', '{"type":"record"}', '{"type":"enum","name":"E","symbols":["A"]}', "[]", "1"]
)
def test_what_is_no_schema_of_a_record_is_refused(definition: str) -> None:
    """A registry may hold anything."""
    with pytest.raises(AvroError, match="no Avro schema of a record"):
        AvroSchema(msgspec.json.decode(definition))


def test_a_fingerprint_belongs_to_the_meaning_and_not_to_the_form() -> None:
    """The order of keys does not count, a default does."""
    one = {"type": "record", "name": "A", "fields": [{"name": "x", "type": ["null", "string"]}]}
    turned = {"fields": [{"type": ["null", "string"], "name": "x"}], "name": "A", "type": "record"}
    other = {
        "type": "record",
        "name": "A",
        "fields": [{"name": "x", "type": ["null", "string"], "default": None}],
    }
    assert fingerprint_of(one) == fingerprint_of(turned) != fingerprint_of(other)


def test_the_frame_is_a_zero_byte_and_the_id() -> None:
    """Confluent's wire format."""
    value = framed(258, b"body")
    assert value == b"\x00\x00\x00\x01\x02body"
    assert (schema_id_of(value), body_of(value)) == (258, b"body")
    assert [
        schema_id_of(each) for each in (None, b"", b"\x00\x00\x00\x01", b'{"a":1}', b"\x01\x00\x00\x00\x01")
    ] == [None] * 5


class Inner(msgspec.Struct):
    """Used twice."""

    flag: bool


OTHER_INNER = msgspec.defstruct("Inner", [("count", int)])


class Outer(msgspec.Struct):
    """Every form there is."""

    first: Inner
    others: list[Inner]
    later: str | None = None


class Odd(msgspec.Struct):
    """A form that there is not."""

    share: float


class Guessed(msgspec.Struct):
    """Readers of what never had it would have to guess."""

    currency: str = "EUR"


class Many(msgspec.Struct):
    """The same, made anew each time."""

    lines: list[str] = []


def test_a_schema_is_made_from_a_struct() -> None:
    """A type that stands twice is described once; only null is a default."""
    found = avro_of(Outer, "tests")
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "flag", "type": "boolean"}]}
    assert found["fields"] == [
        {"name": "first", "type": inner},
        {"name": "others", "type": {"type": "array", "items": "Inner"}},
        {"name": "later", "type": ["null", "string"], "default": None},
    ]
    assert AvroSchema(found).name == "tests.Outer"


class Namesakes(msgspec.Struct):
    """Two structs of one name."""

    first: Inner
    other: OTHER_INNER  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("struct", "said"),
    [
        (Odd, "Odd.share: FloatType"),
        (Guessed, "Guessed.currency: only None"),
        (Many, "Many.lines: only None"),
        (Namesakes, "Namesakes.other: another struct is named Inner too"),
    ],
)
def test_a_struct_without_a_form_in_avro_is_refused_with_the_field(
    struct: type[msgspec.Struct], said: str
) -> None:
    """Before anybody writes a schema that no codec takes."""
    with pytest.raises(NoAvroFormError, match=re.escape(said)):
        avro_of(struct, "tests")


class Moments(msgspec.Struct, kw_only=True):
    """A time in every place where one may stand."""

    at: Time | None = None
    each: list[Time] | None = None
    inner: "Moments | None" = None
    others: "list[Moments] | None" = None
    maybe: list[Time | None] | None = None


@pytest.mark.parametrize(
    "record",
    [
        Moments(),
        Moments(at=WHEN),
        Moments(each=[WHEN, LATER], maybe=[None, WHEN]),
        Moments(inner=Moments(at=WHEN), others=[Moments(at=LATER), Moments(inner=Moments(each=[WHEN]))]),
    ],
)
def test_a_moment_may_stand_anywhere(record: Moments) -> None:
    """Also where it may be missing, in a list, and in a record in a record."""
    definition = avro_of(Moments, "tests")
    content = msgspec.json.encode(record)
    schema = AvroSchema(definition)
    assert schema.decode(schema.encode(content)) == content
    assert schema.fingerprint == fingerprint_of(definition)
    assert "timestamp-millis" in schema.text
    if record.at:
        with pytest.raises(AvroError):
            schema.encode(content.replace(WHEN.encode(), b"yesterday"))
