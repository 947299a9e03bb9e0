"""Schemas kit: what keeps a schema from reading what another has written. For builds, not for processes."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaIncompatibilityType
from avro.errors import AvroException
from avro.name import Names
from avro.schema import (
    ArraySchema,
    EnumSchema,
    Field,
    FixedSchema,
    MapSchema,
    NamedSchema,
    RecordSchema,
    Schema,
    UnionSchema,
    make_avsc_object,
)

NAME = SchemaIncompatibilityType.name_mismatch
NO_DEFAULT = SchemaIncompatibilityType.reader_field_missing_default_value
NO_BRANCH = SchemaIncompatibilityType.missing_union_branch
SYMBOLS = SchemaIncompatibilityType.missing_enum_symbols
SIZE = SchemaIncompatibilityType.fixed_size_mismatch
LOGICAL_TYPE = "logical_type_mismatch"
AMBIGUOUS = "ambiguous_alias"
NO_TEXT = "bytes_read_as_text"
_CHECKER: Callable[[], Any] = ReaderWriterCompatibilityChecker
_VALUE_WITH_NAME = (EnumSchema, FixedSchema)
_LOGICAL = ("logicalType", "precision", "scale")


class Incompatibility(NamedTuple):
    """One reason. `rule` is Avro's own name of it, or one of ours; `path` is like `$.lines[].price`."""

    rule: str
    path: str
    sentence: str


class InvalidDefinitionError(Exception):
    """What is compared is no Avro schema."""

    code = "definition_invalid"


def incompatibilities(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Incompatibility]:
    """Why a reader with the schema `new` cannot read what was written with `old`; empty: it can.

    That is BACKWARD; with the arguments swapped it is FORWARD. In the order of the fields. Stricter than Avro
    where it reads something else than was written (another logical type, an alias with two meanings), or
    cannot read all of it (bytes as text).

    Raises:
        InvalidDefinitionError: one of them is no Avro schema.
    """
    return list(dict.fromkeys(_Comparison().differences(_parsed(new), _parsed(old), "$")))


def _parsed(definition: Mapping[str, Any]) -> Schema:
    with warnings.catch_warnings():
        # What it does not know as a logical type, it warns of and takes as the type below.
        warnings.simplefilter("ignore")
        try:
            return make_avsc_object(definition, Names())
        except (AvroException, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise InvalidDefinitionError(
                f"{definition.get('name', 'This')} is no Avro schema: {error}"
            ) from error


class _Comparison:
    def __init__(self) -> None:
        self._under_way: set[tuple[int, int]] = set()

    def differences(self, reader: Schema, writer: Schema, path: str) -> list[Incompatibility]:
        """Of this pair and all below it; a type inside of itself is compared once."""
        pair = (id(reader), id(writer))
        if pair in self._under_way:
            return []
        self._under_way.add(pair)
        try:
            return list(self._compared(reader, writer, path))
        finally:
            self._under_way.discard(pair)

    def _compared(self, reader: Schema, writer: Schema, path: str) -> Iterator[Incompatibility]:
        match reader, writer:
            case _, UnionSchema():
                for branch in writer.schemas:
                    yield from self.differences(reader, branch, path)
            case UnionSchema(), _:
                yield from self._no_branch(reader, writer, path)
            case RecordSchema(), RecordSchema():
                yield from _another_name(reader, writer, path)
                yield from self._fields(reader, writer, path)
            case ArraySchema(), ArraySchema():
                yield from self.differences(reader.items, writer.items, f"{path}[]")
            case MapSchema(), MapSchema():
                yield from self.differences(reader.values, writer.values, f"{path}{{}}")
            case _:
                yield from _another_value(reader, writer, path)

    def _no_branch(self, reader: UnionSchema, writer: Schema, path: str) -> list[Incompatibility]:
        """What is wrong with the branch that is meant, if one is; empty if any reads it."""
        found = [(branch, self.differences(branch, writer, path)) for branch in reader.schemas]
        if not all(differences for _, differences in found):
            return []
        for branch, differences in found:
            if branch.type == writer.type and not any(each.rule == NAME.value for each in differences):
                return differences
        sentence = f"{path} is read as {_shown(reader)}, and {_shown(writer)} is written: add it to the union"
        return [Incompatibility(NO_BRANCH.value, path, sentence)]

    def _fields(self, reader: RecordSchema, writer: RecordSchema, path: str) -> Iterator[Incompatibility]:
        sources = {field.name: _sources(field, writer) for field in reader.fields}
        claimed = [source.name for found in sources.values() for source in found]
        for field in reader.fields:
            at = f"{path}.{field.name}"
            found = sources[field.name]
            if len(found) > 1 or any(claimed.count(source.name) > 1 for source in found):
                written = " and ".join(source.name for source in found)
                sentence = f"{at} would be read from {written}, which is not its own: take the alias away"
                yield Incompatibility(AMBIGUOUS, at, sentence)
            elif found:
                yield from self.differences(field.type, found[0].type, at)
            elif not field.has_default:
                sentence = f"{at} is not written and has no default: give it one"
                yield Incompatibility(NO_DEFAULT.value, at, sentence)


def _sources(field: Field, writer: RecordSchema) -> list[Field]:
    names = {field.name, *_aliases(field)}
    return [each for each in writer.fields if each.name in names]


def _aliases(owner: Field | NamedSchema) -> list[str]:
    found = owner.props.get("aliases")
    return [str(each) for each in found] if isinstance(found, list) else []


def _another_name(reader: NamedSchema, writer: NamedSchema, path: str) -> Iterator[Incompatibility]:
    """Names count without their namespace, aliases with it: Avro says so."""
    space = f"{reader.namespace}." if reader.namespace else ""
    aliases = {each if "." in each else space + each for each in _aliases(reader)}
    if reader.name != writer.name and writer.fullname not in aliases:
        sentence = (
            f"{path} is read as {reader.fullname}, and {writer.fullname} is written:"
            " keep its name, or give that one among its aliases"
        )
        yield Incompatibility(NAME.value, path, sentence)


def _another_value(reader: Schema, writer: Schema, path: str) -> Iterator[Incompatibility]:
    """Of types with nothing below them, and of types of different kinds."""
    if isinstance(reader, _VALUE_WITH_NAME) and isinstance(writer, _VALUE_WITH_NAME):
        yield from _another_name(reader, writer, path)
    found = _CHECKER().get_compatibility(reader, writer).incompatibilities
    for rule in found:
        if rule is not NAME:
            yield Incompatibility(rule.value, path, _sentence(rule, reader, writer, path))
    if reader.type == "string" and writer.type == "bytes":
        sentence = f"{path} is read as text, and any bytes are written: make it a new field"
        yield Incompatibility(NO_TEXT, path, sentence)
    if not found and _logical_type(reader) != _logical_type(writer):
        sentence = (
            f"{path} is read as {_shown(reader)}, and {_shown(writer)} is written:"
            " the same bytes would mean another value, so make it a new field"
        )
        yield Incompatibility(LOGICAL_TYPE, path, sentence)


def _sentence(rule: SchemaIncompatibilityType, reader: Any, writer: Any, path: str) -> str:
    if rule is SYMBOLS:
        lost = ", ".join(each for each in writer.symbols if each not in reader.symbols)
        return f"{path} may hold {lost}, which its reader does not know: keep it, or give the enum a default"
    if rule is SIZE:
        return f"{path} is read as {reader.size} bytes, and {writer.size} are written: make it a new field"
    return f"{path} is read as {_shown(reader)}, and {_shown(writer)} is written: make it a new field"


def _logical_type(schema: Schema) -> list[Any]:
    return [schema.props.get(name) for name in _LOGICAL]


def _shown(schema: Any) -> str:
    if isinstance(schema, UnionSchema):
        return f"one of {', '.join(map(_shown, schema.schemas))}"
    if isinstance(schema, NamedSchema):
        return f"{schema.type} {schema.fullname}"
    words = [str(each) for each in _logical_type(schema) if each is not None]
    return f"{schema.type} ({' '.join(words)})" if words else str(schema.type)
