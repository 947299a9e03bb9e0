"""OpenAPI 3.1 from what handlers declare about themselves: text, examples and errors in one place."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from kits.patterns import published
from kits.web.problems import PROBLEM_JSON, Problem, ProblemKind, Problems

_BEARER = "bearer"
_EXAMPLE_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_REFERENCE = "#/components/schemas/{name}"


@dataclass(frozen=True, slots=True)
class Link:
    """Where an answer leads: an operation, and its parameters as runtime expressions of OpenAPI."""

    operation_id: str
    parameters: Mapping[str, str]
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer; its headers, always there or optional, map names to what they mean.

    `links` maps names to where it leads.
    """

    status: int
    description: str
    body: type[msgspec.Struct] | None = None
    example: msgspec.Struct | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    optional_headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a handler is for. Give it to the handler as `opt=described(Operation(…))`.

    `path` and `request_headers` map parameters to their JSON schemas, `query` is the struct that the handler
    reads. A header may always be left out.
    """

    summary: str
    description: str
    tag: str
    answers: tuple[Answer, ...]
    problems: tuple[str, ...] = ()
    secured: bool = False
    path: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    request_headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    body_example: msgspec.Struct | None = None


_OPERATION = "operation"


def described(operation: Operation) -> dict[str, Any]:
    """The handler option that carries the operation."""
    return {_OPERATION: operation}


def query_of(options: Mapping[str, Any]) -> type[msgspec.Struct] | None:
    """The query that a handler with these options reads; None if it takes no parameter."""
    operation: Operation | None = options.get(_OPERATION)
    return operation.query if operation else None


def operations(app: Litestar) -> Iterator[tuple[str, str, Operation]]:
    """Path, method and operation of every described handler."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if operation := handler.opt.get(_OPERATION):
                    for method in sorted(handler.http_methods):
                        yield route.path_format, str(method).lower(), operation


def openapi_document(app: Litestar, problems: Problems, *, title: str, version: str, description: str) -> Any:
    """The whole document as JSON values; the same for the same handlers."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    structs: set[type[msgspec.Struct]] = {Problem}
    for path, method, operation in operations(app):
        paths[path][method] = _operation(f"{method} {path}", operation, problems)
        structs.update(_structs(operation))
    by_name = sorted(structs, key=lambda struct: struct.__name__)
    _, schemas = msgspec.json.schema_components(by_name, ref_template=_REFERENCE)
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
    return published(document)


def _structs(operation: Operation) -> Iterable[type[msgspec.Struct]]:
    bodies = [operation.body, *(answer.body for answer in operation.answers)]
    return [body for body in bodies if body is not None]


def _operation(operation_id: str, operation: Operation, problems: Problems) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": "_".join(operation_id.translate(str.maketrans("/{}", "   ")).split()),
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "security": [{_BEARER: []}] if operation.secured else [],
        "responses": {
            **{str(answer.status): _answer(answer) for answer in operation.answers},
            **_problem_answers([problems.kind(code) for code in operation.problems]),
        },
    }
    parameters = [
        *_path_parameters(operation),
        *_header_parameters(operation),
        *_query_parameters(operation),
    ]
    if parameters:
        document["parameters"] = parameters
    if operation.body:
        content = _content(operation.body, operation.body_example)
        document["requestBody"] = {"required": True, "content": {"application/json": content}}
    return document


def _answer(answer: Answer) -> dict[str, Any]:
    document: dict[str, Any] = {"description": answer.description}
    headers = {name: _header(meaning, required=True) for name, meaning in answer.headers.items()}
    headers |= {name: _header(meaning, required=False) for name, meaning in answer.optional_headers.items()}
    if headers:
        document["headers"] = headers
    if answer.body:
        document["content"] = {answer.media_type: _content(answer.body, answer.example)}
    elif answer.media_type != "application/json":
        document["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    if answer.links:
        document["links"] = {
            name: {
                "operationId": link.operation_id,
                "parameters": dict(link.parameters),
                "description": link.description,
            }
            for name, link in answer.links.items()
        }
    return document


def _header(meaning: str, *, required: bool) -> dict[str, Any]:
    return {"description": meaning, "required": required, "schema": {"type": "string"}}


def _content(body: type[msgspec.Struct], example: msgspec.Struct | None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REFERENCE.format(name=body.__name__)}}
    if example is not None:
        content["example"] = msgspec.to_builtins(example)
    return content


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": dict(schema)}
        for name, schema in operation.path.items()
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    _, components = msgspec.json.schema_components([operation.query])
    schema = components[operation.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema.get("required", []), "schema": value}
        for name, value in schema["properties"].items()
    ]


def _header_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": dict(schema)}
        for name, schema in operation.request_headers.items()
    ]


def _problem_answers(kinds: Iterable[ProblemKind]) -> dict[str, Any]:
    by_status: dict[int, list[ProblemKind]] = defaultdict(list)
    for kind in kinds:
        by_status[kind.status].append(kind)
    return {str(status): _problem_answer(by_status[status]) for status in sorted(by_status)}


def _problem_answer(kinds: list[ProblemKind]) -> dict[str, Any]:
    content = {
        "schema": {"$ref": _REFERENCE.format(name=Problem.__name__)},
        "examples": {kind.code: {"summary": kind.title, "value": _problem_example(kind)} for kind in kinds},
    }
    document: dict[str, Any] = {
        "description": " — or: ".join(kind.title for kind in kinds),
        "content": {PROBLEM_JSON: content},
    }
    waits = [kind.retry_after_seconds is not None for kind in kinds]
    if any(waits):
        meaning = "Seconds to wait before the same request is sent again."
        document["headers"] = {"Retry-After": _header(meaning, required=all(waits))}
    return document


def _problem_example(kind: ProblemKind) -> Any:
    example = Problem(
        type=kind.url,
        title=kind.title,
        status=kind.status,
        detail=f"{kind.title}.",
        instance="/",
        code=kind.code,
        trace_id=_EXAMPLE_TRACE,
    )
    return msgspec.to_builtins(example)
