"""Which changes of a schema its readers survive, with the field and the rule of those that break them."""

import random
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many

from kits.schemas.compatibility import Incompatibility, InvalidDefinitionError, incompatibilities
from tests.avro_changes import Change, Maker

Schema = dict[str, Any]
SEED = 12


def record(*fields: Schema, name: str = "shop.Order", **more: Any) -> Schema:
    """An Avro record."""
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> Schema:
    """A field of one."""
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> Schema:
    """An enumeration of colours."""
    return {"type": "enum", "name": "Colour", "symbols": list(symbols), **more}


def logical(kind: str, logical_type: str, **more: Any) -> Schema:
    """A logical type."""
    return {"type": kind, "logicalType": logical_type, **more}


def decimal(precision: int, scale: int) -> Schema:
    """An amount in bytes."""
    return logical("bytes", "decimal", precision=precision, scale=scale)


def array(items: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def labels(values: Any) -> Schema:
    """A map."""
    return {"type": "map", "values": values}


def fixed(size: int, name: str = "Hash") -> Schema:
    """So many bytes."""
    return {"type": "fixed", "name": name, "size": size}


def found(new: Schema, old: Schema) -> list[tuple[str, str]]:
    """Rules and places."""
    return [(each.rule, each.path) for each in incompatibilities(new, old)]


X = field("x", "int")
LINE, OTHER_LINE = (record(field("q", kind), name="Line") for kind in ("int", "string"))
NODE = record(field("next", ["null", "shop.Order"], default=None))
LONG_NODE = record(*NODE["fields"], field("y", "long", default=0))
TEXT_NODE = record(*NODE["fields"], field("y", "string", default=""))

READABLE = {
    "nothing changed": (record(X), record(X)),
    "a field with a default came": (record(X, field("y", "string", default="")), record(X)),
    "a field that may be null came": (record(X, field("y", ["null", "int"], default=None)), record(X)),
    "a field went": (record(), record(X)),
    "fields changed places": (record(field("y", "int"), X), record(X, field("y", "int"))),
    "int became long": (record(field("x", "long")), record(X)),
    "long became double": (record(field("x", "double")), record(field("x", "long"))),
    "float became double": (record(field("x", "double")), record(field("x", "float"))),
    "text became bytes": (record(field("x", "bytes")), record(field("x", "string"))),
    "it may be null now": (record(field("x", ["null", "int"])), record(X)),
    "a union grew": (record(field("x", ["null", "int", "string"])), record(field("x", ["int", "null"]))),
    "a union of one": (record(X), record(field("x", ["int"]))),
    "a field has a new name": (record(field("n", "int", aliases=["x"])), record(X)),
    "a field went, another has its name as alias": (
        record(field("n", "int", aliases=["x", "z"])),
        record(X, field("y", "int")),
    ),
    "a record has a new name": (record(X, name="shop.Bill", aliases=["Order"]), record(X)),
    "and says its whole name": (record(X, name="other.Bill", aliases=["shop.Order"]), record(X)),
    "a record moved": (record(X, name="other.Order"), record(X)),
    "an enumeration grew": (record(field("x", enum("R", "G"))), record(field("x", enum("R")))),
    "one has a default": (record(field("x", enum("R", default="R"))), record(field("x", enum("R", "G")))),
    "a type in itself": (LONG_NODE, NODE),
    "the same decimal": (record(field("x", decimal(10, 2))), record(field("x", decimal(10, 2)))),
    "its documentation": (record(field("x", "int", doc="new"), doc="new"), record(X)),
}

BROKEN: dict[str, tuple[Schema, Schema, list[tuple[str, str]]]] = {
    "a field without a default came": (
        record(X, field("y", "string")), record(X), [("reader_field_missing_default_value", "$.y")],
    ),
    "null is a type and no default": (
        record(field("y", ["null", "int"])), record(), [("reader_field_missing_default_value", "$.y")],
    ),
    "long became int": (record(X), record(field("x", "long")), [("type_mismatch", "$.x")]),
    "int became text": (record(field("x", "string")), record(X), [("type_mismatch", "$.x")]),
    "bytes became text": (
        record(field("x", "string")), record(field("x", "bytes")), [("bytes_read_as_text", "$.x")],
    ),
    "a record became a map": (
        record(field("x", labels("int"))), record(field("x", LINE)), [("type_mismatch", "$.x")],
    ),
    "it may not be null any more": (
        record(X), record(field("x", ["null", "int"])), [("type_mismatch", "$.x")],
    ),
    "a union shrank": (
        record(field("x", ["null", "int"])), record(field("x", ["null", "int", "string"])),
        [("missing_union_branch", "$.x")],
    ),
    "below a union": (
        record(field("x", ["null", LINE])), record(field("x", ["null", OTHER_LINE])),
        [("type_mismatch", "$.x.q")],
    ),
    "in a list": (
        record(field("x", array(LINE))), record(field("x", array(OTHER_LINE))),
        [("type_mismatch", "$.x[].q")],
    ),
    "in a map": (
        record(field("x", labels(LINE))), record(field("x", labels(OTHER_LINE))),
        [("type_mismatch", "$.x{}.q")],
    ),
    "a symbol went": (
        record(field("x", enum("R"))), record(field("x", enum("R", "G"))), [("missing_enum_symbols", "$.x")],
    ),
    "an enumeration has a new name": (
        record(field("x", enum("R"))), record(field("x", {**enum("R"), "name": "Hue"})),
        [("name_mismatch", "$.x")],
    ),
    "a size changed": (
        record(field("x", fixed(8))), record(field("x", fixed(16))), [("fixed_size_mismatch", "$.x")],
    ),
    "a record has a new name": (record(X, name="shop.Bill"), record(X), [("name_mismatch", "$")]),
    "its alias is of another namespace": (
        record(X, name="shop.Bill", aliases=["other.Order"]), record(X), [("name_mismatch", "$")],
    ),
    "milliseconds became microseconds": (
        record(field("x", logical("long", "timestamp-micros"))),
        record(field("x", logical("long", "timestamp-millis"))), [("logical_type_mismatch", "$.x")],
    ),
    "a number became a moment": (
        record(field("x", logical("long", "timestamp-millis"))), record(field("x", "long")),
        [("logical_type_mismatch", "$.x")],
    ),
    "a wider time of the day": (
        record(field("x", logical("long", "time-micros"))),
        record(field("x", logical("int", "time-millis"))), [("logical_type_mismatch", "$.x")],
    ),
    "a decimal has another scale": (
        record(field("x", decimal(10, 3))), record(field("x", decimal(10, 2))),
        [("logical_type_mismatch", "$.x")],
    ),
    "below a union, another unit": (
        record(field("x", ["null", logical("long", "timestamp-micros")])),
        record(field("x", ["null", logical("long", "timestamp-millis")])),
        [("logical_type_mismatch", "$.x")],
    ),
    "two fields would be read as one": (
        record(field("x", "int", aliases=["y"])), record(X, field("y", "int")), [("ambiguous_alias", "$.x")],
    ),
    "one field would be read as two": (
        record(X, field("y", "int", aliases=["x"])), record(X),
        [("ambiguous_alias", "$.x"), ("ambiguous_alias", "$.y")],
    ),
    "in a type in itself": (TEXT_NODE, LONG_NODE, [("type_mismatch", "$.y")]),
    "several at once, in the order of the fields": (
        record(field("y", "string"), field("x", "string"), field("z", "int")), record(X),
        [
            ("reader_field_missing_default_value", "$.y"),
            ("type_mismatch", "$.x"),
            ("reader_field_missing_default_value", "$.z"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", READABLE)
def test_a_change_that_readers_survive_has_no_objection(change: str) -> None:
    """Avro's rules of resolution allow it."""
    assert incompatibilities(*READABLE[change]) == []


@pytest.mark.parametrize("change", BROKEN)
def test_a_change_that_breaks_readers_is_named_by_field_and_rule(change: str) -> None:
    """And its sentence begins with the place, for whoever reads the build's output."""
    new, old, expected = BROKEN[change]
    assert found(new, old) == expected
    assert all(each.sentence.startswith(f"{each.path} ") for each in incompatibilities(new, old))


def test_forward_is_the_same_question_the_other_way_round() -> None:
    """A field without a default that came breaks those who read back, not those who have not changed."""
    new, old, _ = BROKEN["a field without a default came"]
    assert incompatibilities(old, new) == []
    assert incompatibilities(new, old) == [
        Incompatibility(
            "reader_field_missing_default_value",
            "$.y",
            "$.y is not written and has no default: give it one",
        )
    ]


@pytest.mark.parametrize(
    "definition",
    [
        {}, {"type": "recrod", "name": "t"}, {"type": "record", "name": "t"}, record({}),
        record(field("x", "nope")), record(X, X), record(field("x", ["int", "int"])),
        record(field("x", enum("R", "R"))), {"type": "record", "fields": []}, {"type": ["int"]},
        record(field("x", {"type": "array"})), record(field("x", None)), {"type": "record", "name": 7},
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_schema_is_said_to_be_none(definition: Schema) -> None:
    """On either side; it is no difference."""
    for pair in ((definition, record(X)), (record(X), definition)):
        with pytest.raises(InvalidDefinitionError, match="is no Avro schema"):
            incompatibilities(*pair)


def test_what_has_no_objection_can_be_read() -> None:
    """By the reader that we use: of 400 changes that were made up, whatever values the old schema allows."""
    changes = list(Maker(SEED).changes(400))
    allowed = [each for each in changes if not incompatibilities(each.new, each.old)]
    assert 100 < len(allowed) < 300
    random.seed(SEED)
    assert [each for each in allowed if not is_readable(each)] == []


def is_readable(change: Change) -> bool:
    """Whether five values that the old schema wrote are read with the new one."""
    writer = fastavro.parse_schema(change.old, {}, _write_hint=False)
    reader = fastavro.parse_schema(change.new, {}, _write_hint=False)
    try:
        for value in generate_many(writer, 5):
            stream = BytesIO()
            fastavro.schemaless_writer(stream, writer, value)
            stream.seek(0)
            fastavro.schemaless_reader(stream, writer, reader)
    except (fastavro.read.SchemaResolutionError, ValueError, TypeError, KeyError):
        return False
    return True
