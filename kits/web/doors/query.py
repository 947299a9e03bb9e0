"""Query parameters, read strictly: every fault names its parameter, and an unknown one is a fault."""

import re
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import unquote_plus

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from kits.web.doors.json_body import field_error
from kits.web.problems.details import FieldError, ProblemError

T = TypeVar("T", bound=msgspec.Struct)

ANY_QUERY = {"any_query": True}
"""The option of handlers for machines that add parameters of their own, as load balancers do to probes."""

_MAX_PARAMETERS = 50
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


async def require_strict_query(request: Request[Any, Any, Any]) -> None:
    """For `before_request`: the query is what the handler's signature declares by `QueryParameter`.

    What the framework reads after it has one meaning only.

    Raises:
        ProblemError: as `read_query`.
    """
    scope = request.scope
    if scope["query_string"] and scope["method"] != "OPTIONS":
        handler = request.route_handler
        if not handler.opt.get("any_query"):
            read_query(scope["query_string"], _declared(handler))


@lru_cache(maxsize=1000)
def _declared(handler: HTTPRouteHandler) -> type[msgspec.Struct]:
    fields = []
    names = {}
    for field in handler.parsed_fn_signature.parameters.values():
        kind = field.kwarg_definition
        if isinstance(kind, QueryParameter):
            default = field.default if field.has_default else msgspec.NODEFAULT
            fields.append((field.name, handler.signature_model.__annotations__[field.name], default))
            names[field.name] = kind.name or field.name
    return msgspec.defstruct("Query", fields, rename=names, kw_only=True, frozen=True)


def read_query(query: bytes, kind: type[T]) -> T:
    """The query as `kind`, whole numbers from their decimal digits.

    Raises:
        ProblemError: invalid_request: a parameter that `kind` does not have, that is sent twice or breaks a
            rule, or a query that is no percent-encoded UTF-8. Empty parts (`a=1&&b=2`) say nothing.
    """
    pairs = _pairs(query)
    _require_known(pairs, frozenset(kind.__struct_encode_fields__))
    values = dict(pairs)
    try:
        found = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        fault = field_error(str(error))
        parameter = str(fault.pointer).removeprefix("#/")
        raise _refused([FieldError(detail=fault.detail, parameter=parameter)]) from None
    _require_plain_numbers(found, values)
    return found


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        parts = [part for part in query.decode("ascii").split("&") if part]
        if len(parts) > _MAX_PARAMETERS:
            raise _malformed(f"A query may have {_MAX_PARAMETERS} parameters.")
        return [_pair(part) for part in parts]
    except UnicodeDecodeError:
        raise _malformed("The query must be percent-encoded UTF-8.") from None


def _pair(part: str) -> tuple[str, str]:
    if _BAD_ESCAPE.search(part):
        raise _malformed("In a query `%` must be followed by two hexadecimal digits.")
    name, _, value = part.partition("=")
    return unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")


def _require_known(pairs: list[tuple[str, str]], known: frozenset[str]) -> None:
    faults: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in pairs:
        if name not in known:
            faults[name] = "There is no such parameter here."
        elif name in seen:
            faults[name] = "Send this parameter once."
        elif _CONTROL.search(value):
            faults[name] = "It has a control character."
        seen.add(name)
    if faults:
        raise _refused([FieldError(detail=detail, parameter=name) for name, detail in faults.items()])


def _require_plain_numbers(found: msgspec.Struct, values: dict[str, str]) -> None:
    # The decoder takes 5.0 and 5e0 for 5, as JSON Schema does; a parameter has one spelling.
    for field in _fields(type(found)):
        number = getattr(found, field.name)
        if type(number) is int and str(number) != values.get(field.encode_name, str(number)):
            fault = FieldError(detail="Send a whole number in digits.", parameter=field.encode_name)
            raise _refused([fault])


@lru_cache(maxsize=1000)
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Msgspec reads the annotations anew at each call."""
    return msgspec.structs.fields(kind)


def _malformed(detail: str) -> ProblemError:
    return _refused([FieldError(detail=detail, parameter="")])


def _refused(errors: list[FieldError]) -> ProblemError:
    return ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=errors)
