"""Schemas kit: the Avro schema of a msgspec struct, so that both forms of an event have one source."""

from typing import Any

import msgspec
from msgspec import inspect

_SIMPLE = {
    inspect.StrType: "string",
    inspect.LiteralType: "string",
    inspect.IntType: "long",
    inspect.BoolType: "boolean",
}
_MOMENT = {"type": "long", "logicalType": "timestamp-millis"}


Named = dict[str, type]
"""The structs that have been described, by the names of their records."""


class NoAvroFormError(TypeError):
    """A field's type has no form in Avro that this kit knows."""

    code = "no_avro_form"


def avro_of(struct: type[msgspec.Struct], namespace: str) -> dict[str, Any]:
    """The schema of a record named as the struct, its fields by their names in JSON and in their order.

    Whole numbers are long, texts and literals string, a text whose JSON Schema has the format date-time is
    timestamp-millis, `X | None` is a union that begins with null; what may be left out is None then.

    Raises:
        NoAvroFormError: naming the field.
    """
    kind = inspect.type_info(struct)
    assert isinstance(kind, inspect.StructType)  # noqa: S101 - for the type checker
    record = _record(kind, {})
    return {"type": "record", "name": record["name"], "namespace": namespace, "fields": record["fields"]}


def _record(kind: inspect.StructType, named: Named) -> dict[str, Any]:
    named[kind.cls.__name__] = kind.cls
    fields = [_field(kind, field, named) for field in kind.fields]
    return {"type": "record", "name": kind.cls.__name__, "fields": fields}


def _field(kind: inspect.StructType, field: inspect.Field, named: Named) -> dict[str, Any]:
    try:
        found = {"name": field.encode_name, "type": _form(field.type, named)}
    except NoAvroFormError as error:
        raise NoAvroFormError(f"{kind.cls.__name__}.{field.encode_name}: {error}") from None
    if field.required:
        return found
    # Any other default would be guessed by those who read what never had it.
    if field.default is not None:
        raise NoAvroFormError(f"{kind.cls.__name__}.{field.encode_name}: only None may be its default")
    return {**found, "default": None}


def _form(kind: inspect.Type, named: Named) -> Any:
    if type(kind) in _SIMPLE:
        return _SIMPLE[type(kind)]
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=extra):
            return _MOMENT if (extra or {}).get("format") == "date-time" else _form(inner, named)
        case inspect.ListType(item_type=item):
            return {"type": "array", "items": _form(item, named)}
        case inspect.StructType(cls=cls):
            if named.get(cls.__name__, cls) is not cls:
                raise NoAvroFormError(f"another struct is named {cls.__name__} too")
            return cls.__name__ if cls.__name__ in named else _record(kind, named)
        case inspect.UnionType(types=types) if len(types) == 2 and kind.includes_none:
            return ["null", *(_form(each, named) for each in types if not isinstance(each, inspect.NoneType))]
        case _:
            raise NoAvroFormError(f"{type(kind).__name__} has no form in Avro here")
