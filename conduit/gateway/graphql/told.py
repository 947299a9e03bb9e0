"""GraphQL: how each error is told: refusals in their words, faults of ours in none, and no value repeated."""

from typing import Any

from graphql import (
    GraphQLError,
    GraphQLSyntaxError,
    ObjectFieldNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
)
from litestar.types import Scope

from conduit.gateway.errors import RefusedError, ServiceAwayError
from conduit.gateway.problems import graphql_error
from kits.web.problems.failures import FailureLog

_REFUSED = "graphql_refused"
_ABORTED = "Parsing aborted."
_TOO_MUCH = "The document is too long or nested too deeply."
_FAILED = "The gateway failed while it worked on this."


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
        if isinstance(cause, RecursionError):
            return refusal(_TOO_MUCH)
        # What fails at a place of the document before anything is done is the document's fault.
        if cause is None or isinstance(cause, GraphQLError) or (error.nodes and not path):
            return _refused(error)
        self._failures.add(cause, scope)
        return graphql_error("internal_error", {"gateway": [_FAILED]}, path=path)


def refusal(message: str) -> dict[str, Any]:
    """A document that is not carried out."""
    return {"message": message, "extensions": {"code": _REFUSED}}


def _refused(error: GraphQLError) -> dict[str, Any]:
    told = refusal(without_value(error))
    if error.locations:
        told["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        told["path"] = list(error.path)
    return told


def without_value(error: GraphQLError) -> str:
    """A message of GraphQL's, unless it quotes a value that was sent: that may be a password."""
    if isinstance(error, GraphQLSyntaxError):
        return _TOO_MUCH if error.message.endswith(_ABORTED) else "This is no GraphQL document."
    for node in error.nodes or ():
        if isinstance(node, VariableDefinitionNode) and " invalid value" in error.message:
            return f"The variable ${node.variable.name.value} is not of its type."
        if isinstance(node, ValueNode | ObjectFieldNode) and not isinstance(node, VariableNode):
            return "A value is not of its type."
    return error.message
