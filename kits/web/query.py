"""Reads query parameters into a struct; every fault names its parameter."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request

from kits.web.json_body import field_error
from kits.web.problems import FieldError, ProblemError

T = TypeVar("T", bound=msgspec.Struct)

_MAX_PARAMETERS = 50


def read_query(request: Request[Any, Any, Any], kind: type[T]) -> T:
    """The query as `kind`, numbers from their text; parameters that it does not have are ignored.

    Raises:
        ProblemError: invalid_request; also for a parameter that is sent twice.
    """
    query = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise _refused([FieldError(detail="The query is malformed.", parameter="")]) from None
    values = dict(pairs)
    twice = sorted({name for name, _ in pairs if sum(one == name for one, _ in pairs) > 1})
    if twice:
        raise _refused([FieldError(detail="Send this parameter once.", parameter=name) for name in twice])
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        fault = field_error(str(error))
        parameter = str(fault.pointer).removeprefix("#/")
        raise _refused([FieldError(detail=fault.detail, parameter=parameter)]) from None


def _refused(errors: list[FieldError]) -> ProblemError:
    return ProblemError("invalid_request", "The query breaks a rule; see errors.", errors=errors)
