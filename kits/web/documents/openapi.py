"""OpenAPI 3.1: what Litestar's generator cannot see of a door, and its document as others read it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from litestar import Litestar
from litestar.datastructures import ResponseHeader
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import (
    Components,
    Example,
    Link,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityRequirement,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from kits.patterns import published
from kits.web.problems.details import PROBLEM_JSON, Problem, ProblemKind

_BEARER = "bearer"
SECURED: list[SecurityRequirement] = [{_BEARER: []}]
"""The `security` of routers behind `bearer_auth`."""
BEARER_TOKENS = Components(
    security_schemes={_BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
)
_JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
_EXAMPLE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def answer_header(name: str, meaning: str, *, required: bool = True) -> ResponseHeader:
    """A header of a door's answer, for its `response_headers`; the door sends it itself."""
    return ResponseHeader(name, documentation_only=True, value="", description=meaning, required=required)


def request_header(name: str, meaning: str, *, required: bool = False, **rules: Any) -> Parameter:
    """A header that a door reads itself. `rules` are of JSON Schema."""
    schema = Schema(type=OpenAPIType.STRING, description=meaning, **rules)
    return Parameter(name, "header", schema, required=required)


IF_MATCH = request_header(
    "If-Match",
    "The ETag of what is changed as the caller knows it; if it has changed since, nothing is done.",
    examples=['"1"'],
)
IF_NONE_MATCH = request_header(
    "If-None-Match",
    "ETags of what the caller has: if one of them is current, the answer is 304.",
    examples=['"1"'],
)


def _header(meaning: str, *, required: bool) -> OpenAPIHeader:
    return OpenAPIHeader(Schema(type=OpenAPIType.STRING), description=meaning, required=required)


_UNCHANGED = OpenAPIResponse(
    "The caller has it already.", headers={"ETag": _header("The one that is current.", required=True)}
)


@dataclass
class _Door(Operation):
    """One operation of the document, with the structs whose schemas it needs."""

    structs: ClassVar[tuple[type[msgspec.Struct], ...]] = ()


def door(
    problems: Sequence[ProblemKind],
    *,
    shows: msgspec.Struct | None,
    reads: msgspec.Struct | None = None,
    headers: Sequence[Parameter] = (),
    links: Mapping[str, Link] | None = None,
) -> type[Operation]:
    """The `operation_class` of a handler: everything that its signature does not say.

    Args:
        problems: what it may answer instead; several of one status stand side by side.
        shows: an example of the successful answer; None if it has no body.
        reads: an example of the body that the handler reads by `JsonBody`.
        headers: the request headers that it reads; with IF_NONE_MATCH, 304 is among the answers.
        links: where the successful answer leads.
    """

    @dataclass
    class Door(_Door):
        structs: ClassVar[tuple[type[msgspec.Struct], ...]] = tuple(
            type(one) for one in (shows, reads) if one is not None
        )

        def __post_init__(self) -> None:
            answered: dict[str, Any] = dict(self.responses or {})
            # The generator's own refusal of a bad parameter: here that is a problem.
            answered.pop("400", None)
            for success in answered.values():
                if shows is not None:
                    success.content[_JSON].example = msgspec.to_builtins(shows)
                success.links = dict(links) if links else None
            unchanged = {"304": _UNCHANGED} if IF_NONE_MATCH in headers else {}
            self.responses = {**answered, **unchanged, **_refusals(problems)}
            self.parameters = [*(self.parameters or []), *headers] or None
            if reads is not None:
                self.request_body = RequestBody(content={_JSON: _content(reads)}, required=True)

    return Door


def operation_id(
    _handler: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]
) -> str:
    """The name of an operation: its method and path."""
    parts = [part if isinstance(part, str) else part.name for part in path]
    return "_".join([str(getattr(method, "value", method)).lower(), *(part for part in parts if part)])


def openapi_document(app: Litestar) -> Any:
    """The application's document as JSON values; the same for the same handlers.

    Structs stand in it as msgspec describes them, with every rule that it decodes by, and patterns as other
    programs read them.
    """
    openapi = app.openapi_schema
    operations = [one for item in (openapi.paths or {}).values() for one in vars(item).values()]
    structs: set[type[msgspec.Struct]] = {Problem}
    for operation in operations:
        if isinstance(operation, _Door):
            structs.update(operation.structs)
    by_name = sorted(structs, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components(by_name, ref_template=_REFERENCE)
    document = openapi.to_schema()
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["paths"] = dict(sorted(document["paths"].items()))
    return published(document)


def _content(example: msgspec.Struct) -> OpenAPIMediaType:
    return OpenAPIMediaType(_reference(type(example)), example=msgspec.to_builtins(example))


def _reference(struct: type[msgspec.Struct]) -> Reference:
    return Reference(_REFERENCE.format(name=struct.__name__))


def _refusals(kinds: Iterable[ProblemKind]) -> dict[str, OpenAPIResponse]:
    by_status: dict[int, list[ProblemKind]] = defaultdict(list)
    for kind in kinds:
        by_status[kind.status].append(kind)
    return {str(status): _refusal(by_status[status]) for status in sorted(by_status)}


def _refusal(kinds: list[ProblemKind]) -> OpenAPIResponse:
    examples = {kind.code: Example(summary=kind.title, value=_example(kind)) for kind in kinds}
    waits = [kind.retry_after_seconds is not None for kind in kinds]
    meaning = "Seconds to wait before the same request is sent again."
    return OpenAPIResponse(
        " — or: ".join(kind.title for kind in kinds),
        headers={"Retry-After": _header(meaning, required=all(waits))} if any(waits) else None,
        content={PROBLEM_JSON: OpenAPIMediaType(_reference(Problem), examples=dict(examples))},
    )


def _example(kind: ProblemKind) -> Any:
    problem = Problem(
        type=kind.url,
        title=kind.title,
        status=kind.status,
        detail=f"{kind.title}.",
        instance="/",
        code=kind.code,
        trace_id=_EXAMPLE_TRACE,
    )
    return msgspec.to_builtins(problem)
