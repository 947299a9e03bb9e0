"""GraphQL: how each error is told: refusals in their words, faults of ours in none, and no value repeated."""

import re
from typing import Any

from graphql import GraphQLError
from litestar.types import Scope

from conduit.gateway.errors import RefusedError, ServiceAwayError
from conduit.gateway.problems import graphql_error
from kits.web.problems.failures import FailureLog

_REFUSED = "graphql_refused"
_DEEP = "The query is nested too deeply."
_FAILED = "The gateway failed while it worked on this."
# What was sent may be a password: messages end where they would repeat it.
_VALUE = re.compile(
    r"(?s)(?:, found |(?P<got> (?:got|has) invalid value )|(?P<token>: Unexpected )|(?P<value> value): ).*"
)


class ErrorTeller:
    """Makes entries of `errors`; what nobody expected is logged."""

    def __init__(self, failures: FailureLog) -> None:
        self._failures = failures

    def told(self, error: GraphQLError, scope: Scope) -> dict[str, Any]:
        """The entry of one error."""
        cause = error.original_error
        path = error.path or []
        if isinstance(cause, RefusedError):
            service = cause.service if isinstance(cause, ServiceAwayError) else ""
            return graphql_error(cause.code, cause.errors, service=service, path=path)
        if cause is None or isinstance(cause, GraphQLError):
            return _refused(error)
        if isinstance(cause, RecursionError):
            return {"message": _DEEP, "extensions": {"code": _REFUSED}}
        self._failures.add(cause, scope)
        return graphql_error("internal_error", {"gateway": [_FAILED]}, path=path)


def refusal(message: str) -> dict[str, Any]:
    """A document that is not carried out."""
    return {"message": message, "extensions": {"code": _REFUSED}}


def _refused(error: GraphQLError) -> dict[str, Any]:
    told = refusal(without_value(error.message))
    if error.locations:
        told["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        told["path"] = list(error.path)
    return told


def without_value(message: str) -> str:
    """A message of GraphQL's, without the value that it quotes."""
    return _VALUE.sub(_end, message)


def _end(found: re.Match[str]) -> str:
    if found["got"]:
        return " is not of its type."
    if found["token"]:
        return ": Unexpected token."
    return f"{found['value'] or ''}."
