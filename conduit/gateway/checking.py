"""Checking: a form from what was sent, with all of its faults at once, in RealWorld's words."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from conduit.contracts.refusals import BLANK
from conduit.gateway.errors import invalid

F = TypeVar("F", bound=msgspec.Struct)
INVALID = "is invalid"
_LENGTH = re.compile(r"Expected `(str|array)` of length (<=|>=) (\d+)")


def checked(form: type[F], sent: Mapping[str, Any]) -> F:
    """The form; members that it does not have say nothing.

    A text that is only blanks is none: where nothing is allowed it becomes None, elsewhere it is a fault.

    Raises:
        RefusedError: 422, with what is wrong with each field.
    """
    values: dict[str, Any] = {}
    faults: dict[str, list[str]] = {}
    for field in _fields(form):
        name = field.encode_name
        if name not in sent:
            if field.required:
                faults[name] = [BLANK]
            continue
        try:
            values[field.name] = _value(sent[name], field.type)
        except msgspec.ValidationError as error:
            faults[name] = [_words(str(error))]
        except _BlankError:
            faults[name] = [BLANK]
    if faults:
        raise invalid(faults)
    return form(**values)


@cache
def _fields(form: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Msgspec reads the annotations anew at each call."""
    return msgspec.structs.fields(form)


def fits(text: str, kind: Any) -> bool:
    """Whether a text is one of these; for what names something in an address."""
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return False
    return True


class _BlankError(Exception):
    """Nothing is given where something is needed."""


def _value(given: Any, kind: Any) -> Any:
    if given is not None and not (isinstance(given, str) and not given.strip()):
        return msgspec.convert(given, kind)
    try:
        return msgspec.convert(None, kind)
    except msgspec.ValidationError:
        raise _BlankError from None


def _words(message: str) -> str:
    found = _LENGTH.match(message)
    if found is None:
        return INVALID
    kind, sign, number = found.groups()
    if kind == "array":
        return f"has too many items (maximum is {number})"
    if sign == "<=":
        return f"is too long (maximum is {number} characters)"
    return BLANK if number == "1" else f"is too short (minimum is {number} characters)"
