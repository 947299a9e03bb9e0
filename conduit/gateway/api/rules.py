"""What the doors have in common: who asks, what is read, what is refused, what the document says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, Operation, Reference
from litestar.params import PathParameter, QueryParameter, SkipValidation

from conduit.contracts.articles import Article
from conduit.contracts.texts import MAX_NAME, MAX_OFFSET, MAX_PAGE, MAX_TAG
from conduit.gateway.api.article_schemas import ArticleAnswer
from conduit.gateway.api.examples import ERRORS, SLUG, USERNAME
from conduit.gateway.api.schemas import ErrorsAnswer
from conduit.gateway.checking import checked
from conduit.gateway.errors import RefusedError, ServiceAwayError
from conduit.gateway.services.all_services import Services
from kits.web.documents.openapi import door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.doors.json_body import JsonBody
from kits.web.tokens.verifier import Identity

F = TypeVar("F", bound=msgspec.Struct)
UserRequest = Request[Any, Identity, Any]
"""Somebody asks."""
AnyRequest = Request[Any, Identity | None, Any]
"""Somebody, or nobody known."""

# The container is typed; checking its object again on every request would cost without finding anything.
GivenServices = NamedDependency[SkipValidation[Services]]
# No pattern: what cannot be a slug or a name is not found, and no fault of the request.
SlugInPath = Annotated[str, PathParameter(schema_extra={"examples": [SLUG]})]
NameInPath = Annotated[str, PathParameter(schema_extra={"examples": [USERNAME]})]
IdInPath = Annotated[str, PathParameter(schema_extra={"examples": ["1"]})]
PageLimit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="How many articles, at most.")]
PageOffset = Annotated[int, QueryParameter(ge=0, le=MAX_OFFSET, description="How many newer ones to skip.")]
OfTag = Annotated[str | None, QueryParameter(min_length=1, max_length=MAX_TAG, description="With this tag.")]
ByAuthor = Annotated[
    str | None, QueryParameter(min_length=1, max_length=MAX_NAME, description="Written by this user.")
]
FavoritedBy = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=MAX_NAME, description="Among this user's favourites."),
]


def reader_of(request: AnyRequest) -> str | None:
    """The id of whoever asks."""
    return request.auth.subject if request.auth else None


class Wrapped:
    """A form that stands in its body under one name; what else stands there says nothing."""

    def __init__(self, name: str) -> None:
        shape = msgspec.defstruct("Envelope", [("sent", dict[str, Any])], rename={"sent": name}, frozen=True)
        self._body: JsonBody[Any] = JsonBody(shape)

    async def read(self, request: Request[Any, Any, Any], form: type[F]) -> F:
        """The form, checked.

        Raises:
            ProblemError: see JsonBody. RefusedError: see checked().
        """
        return checked(form, (await self._body.read(request)).sent)


async def article_answer(
    services: Services, reader: str | None, article: Article
) -> BytesAnswer[ArticleAnswer]:
    """The article as this reader sees it."""
    following = await services.profiles.following(reader, [article.author.id])
    return json_answer(ArticleAnswer.of(article, following))


def refusal_answer(_request: Request[Any, Any, Any], error: RefusedError) -> BytesAnswer[ErrorsAnswer]:
    """What every RefusedError is answered by."""
    headers: Mapping[str, str] = {}
    if isinstance(error, ServiceAwayError):
        headers = {"retry-after": str(error.retry_seconds)}
    elif error.status == HTTPStatus.UNAUTHORIZED:
        headers = {"www-authenticate": "Token"}
    return json_answer(ErrorsAnswer(errors=error.errors), status=error.status, headers=headers)


def api_door(
    *statuses: int, shows: msgspec.Struct | None, reads: msgspec.Struct | None = None
) -> type[Operation]:
    """The `operation_class` of a handler that may answer `errors` with these statuses, or 503."""
    described: Any = door([], shows=shows, reads=reads)

    @dataclass
    class ApiDoor(described):  # type: ignore[misc]
        structs: ClassVar[tuple[type[msgspec.Struct], ...]] = (*described.structs, ErrorsAnswer)

        responses: dict[str, Any] | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            self.responses = {**(self.responses or {}), **_refusals((*statuses, 503))}

    return ApiDoor


def _refusals(statuses: Sequence[int]) -> dict[str, OpenAPIResponse]:
    shown = OpenAPIMediaType(
        Reference(f"#/components/schemas/{ErrorsAnswer.__name__}"), example=msgspec.to_builtins(ERRORS)
    )
    return {
        str(status): OpenAPIResponse(HTTPStatus(status).phrase, content={"application/json": shown})
        for status in sorted(statuses)
    }
