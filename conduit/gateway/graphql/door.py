"""GraphQL: the door: POST of JSON alone, no page, nothing over GET."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.types import Scope
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from conduit.gateway.backend import begin_deadline
from conduit.gateway.graphql.context import Asker
from conduit.gateway.graphql.limits import MAX_CHARACTERS
from conduit.gateway.graphql.schema import GatewaySchema
from conduit.gateway.graphql.told import ErrorTeller, refusal
from conduit.gateway.problems import GRAPHQL_PATH
from conduit.gateway.services.all_services import Services
from kits.web.documents.openapi import door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import JsonBody
from kits.web.problems.failures import FailureLog
from kits.web.tokens.verifier import Identity

_NO_OPERATION = "Send an operation, and its name in `operationName` if there are several."


class GraphQLRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What to do; other members say nothing."""

    query: Annotated[str, msgspec.Meta(max_length=MAX_CHARACTERS)]
    variables: dict[str, Any] | None = None
    operation_name: str | None = None

    def __repr__(self) -> str:
        # Variables hold passwords.
        return "GraphQLRequest(***)"


class GraphQLAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what could not be; `data` is missing if nothing was carried out."""

    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    errors: list[dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET


class GraphQLDoor:
    """Carries requests out."""

    def __init__(self, schema: GatewaySchema, services: Services, timeout_seconds: float) -> None:
        self._schema = schema
        self._services = services
        self._timeout_seconds = timeout_seconds
        self._teller = ErrorTeller(FailureLog())

    async def answer(
        self, asked: GraphQLRequest, reader: str | None, token: str, scope: Scope
    ) -> GraphQLAnswer:
        """The answer, within the deadline; never raises for anything that was sent."""
        begin_deadline(self._timeout_seconds)
        try:
            result = await self._schema.execute(
                asked.query,
                variable_values=asked.variables,
                context_value=Asker(self._services, reader, token),
                operation_name=asked.operation_name,
            )
        except (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError):
            return GraphQLAnswer(errors=[refusal(_NO_OPERATION)])
        errors = [self._teller.told(error, scope) for error in result.errors or ()]
        return GraphQLAnswer(
            data=msgspec.UNSET if result.data is None else result.data, errors=errors or msgspec.UNSET
        )


_BODY = JsonBody(GraphQLRequest)
_ASKED = GraphQLRequest(query="{ articles(limit: 1) { slug author { username } } }")
_SHOWN = GraphQLAnswer(data={"articles": [{"slug": "a-walk-in-the-hills", "author": {"username": "ada"}}]})
GivenDoor = NamedDependency[SkipValidation[GraphQLDoor]]


@post(
    GRAPHQL_PATH,
    status_code=200,
    tags=["graphql"],
    summary="Ask by GraphQL",
    response_description="What was found; `errors` tells what could not be.",
    operation_class=door([], shows=_SHOWN, reads=_ASKED),
)
async def graphql(
    request: Request[Any, Identity | None, Any], graphql_door: GivenDoor
) -> BytesAnswer[GraphQLAnswer]:
    """A service that is away leaves its fields null, with an entry in `errors`. 400 if nothing was done."""
    asked = await _BODY.read(request)
    token = request.headers.get("authorization", "").partition(" ")[2]
    reader = request.auth.subject if request.auth else None
    answer = await graphql_door.answer(asked, reader, token, request.scope)
    return json_answer(answer, status=400 if answer.data is msgspec.UNSET else 200)
