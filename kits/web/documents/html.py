"""Renders an OpenAPI document as one HTML page that needs nothing else: no script, no other host."""

import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from kits.web.problems.details import ProblemKind

_STYLE = (Path(__file__).parent / "docs.css").read_text(encoding="utf-8")
_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
DOCS_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy under which the pages work."""

_Document = Mapping[str, Any]


def openapi_page(document: _Document) -> str:
    """Every operation with its parameters, bodies, answers and a command to try it with."""
    by_tag: dict[str, list[tuple[str, str, _Document]]] = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag[operation["tags"][0]].append((path, method, operation))
    schemas = document["components"]["schemas"]
    info = document["info"]
    sections = "".join(
        f"<h2>{escape(tag)}</h2>" + "".join(_operation(schemas, *one) for one in found)
        for tag, found in sorted(by_tag.items())
    )
    links = "".join(
        f"<li><a href='#{_anchor(one)}'>{_method(method)} <code>{escape(path)}</code></a></li>"
        for _, found in sorted(by_tag.items())
        for path, method, one in found
    )
    return _page(
        info["title"],
        f"<p>{_marked(info['description'])}</p>"
        "<p><a href='/docs/problems'>Error codes</a> · <a href='/docs/openapi.json'>OpenAPI document</a></p>"
        f"<nav><ul>{links}</ul></nav>{sections}",
        f"Version {info['version']}",
    )


def problems_page(title: str, kinds: Iterable[ProblemKind]) -> str:
    """Every error code, with an anchor that the `type` of a problem leads to."""
    cards = "".join(
        f"<article id='{escape(kind.code)}'><header>{_status(str(kind.status))}"
        f"<strong><code>{escape(kind.code)}</code></strong> {escape(kind.title)}</header>"
        f"<p>{_marked(kind.meaning)}</p></article>"
        for kind in kinds
    )
    return _page(
        f"{title}: error codes",
        "<p>Every refusal and failure is a problem detail (RFC 9457, <code>application/problem+json</code>): "
        "<code>code</code> is for programs and stays, <code>detail</code> is for people, <code>errors</code> "
        "points at the wrong fields, and <code>traceId</code> is logged with every fault of the service.</p>"
        f"<p><a href='/docs'>All operations</a></p>{cards}",
        "",
    )


def _page(title: str, body: str, note: str) -> str:
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p class='note'>{escape(note)}</p>{body}</main></body></html>"
    )


def _operation(schemas: _Document, path: str, method: str, operation: _Document) -> str:
    lock = "<span class='lock'>bearer token</span>" if operation.get("security") else ""
    return (
        f"<article id='{_anchor(operation)}'><header>"
        f"{_method(method)} <code class='path'>{escape(path)}</code>"
        f"<span>{escape(operation['summary'])}</span>{lock}</header>"
        f"<p>{_marked(operation['description'])}</p>"
        f"{_parameters(operation)}{_request(schemas, operation)}{_answers(schemas, operation)}"
        f"<h3>Try it</h3>{_block(_curl(path, method, operation), operation, 'command')}</article>"
    )


def _parameters(operation: _Document) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{_type(one['schema'])}</td><td>{_marked(one['schema'].get('description', ''))}</td></tr>"
        for one in operation.get("parameters", [])
    )
    return f"<h3>Parameters</h3><table>{rows}</table>" if rows else ""


def _request(schemas: _Document, operation: _Document) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]["application/json"]
    return f"<h3>Body</h3>{_shape(schemas, content['schema'])}{_example(content, operation, 'body')}"


def _answers(schemas: _Document, operation: _Document) -> str:
    return "<h3>Answers</h3>" + "".join(
        _answer(schemas, operation, status) for status in operation["responses"]
    )


def _answer(schemas: _Document, operation: _Document, status: str) -> str:
    answer = operation["responses"][status]
    opened = " open" if status < "300" else ""
    headers = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>header</td><td>{_marked(one['description'])}</td></tr>"
        for name, one in answer.get("headers", {}).items()
    )
    inside = f"<table>{headers}</table>" if headers else ""
    for media_type, content in answer.get("content", {}).items():
        codes = "".join(
            f"<li><a href='/docs/problems#{escape(code)}'><code>{escape(code)}</code></a> "
            f"{escape(one['summary'])}</li>"
            for code, one in content.get("examples", {}).items()
        )
        example = _example(content, operation, f"answer {status}")
        shape = f"<ul>{codes}</ul>" if codes else _shape(schemas, content["schema"]) + example
        inside += f"<p class='note'>{escape(media_type)}</p>{shape}"
    summary = f"<summary>{_status(status)} {escape(answer['description'])}</summary>"
    return f"<details{opened}>{summary}{inside}</details>"


def _shape(schemas: _Document, schema: _Document) -> str:
    rows = _rows(schemas, schema, "")
    return f"<table>{rows}</table>" if rows else ""


def _rows(schemas: _Document, schema: _Document, prefix: str) -> str:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    rows = ""
    for name, value in schema.get("properties", {}).items():
        field = f"{prefix}{name}"
        inner = value.get("items", value)
        needed = "" if name in schema.get("required", []) else "<span class='note'> optional</span>"
        rows += (
            f"<tr><td><code>{escape(field)}</code>{needed}</td><td>{_type(value)}</td>"
            f"<td>{_marked(_described(value))}</td></tr>"
        )
        if "$ref" in inner:
            rows += _rows(schemas, inner, f"{field}[]." if "items" in value else f"{field}.")
    return rows


def _described(schema: _Document) -> str:
    options = [schema, *schema.get("anyOf", [])]
    return next((one["description"] for one in options if "description" in one), "")


def _type(schema: _Document) -> str:
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(one) for one in either)
    if "$ref" in schema:
        return "object"
    parts = [str(schema.get("format", schema.get("type", "any")))]
    for low, high in (("minimum", "maximum"), ("minItems", "maxItems")):
        if low in schema or high in schema:
            parts.append(f"{schema.get(low, '')}…{schema.get(high, '')}")
    if "default" in schema and schema["default"] is not None:
        parts.append(f"default {schema['default']}")
    return escape(", ".join(parts))


def _example(content: _Document, operation: _Document, what: str) -> str:
    if "example" not in content:
        return ""
    return _block(json.dumps(content["example"], indent=2, ensure_ascii=False), operation, what)


def _block(text: str, operation: _Document, what: str) -> str:
    # It may be wider than the page: then the keyboard must reach it, to scroll (WCAG 2.1.1), by a name.
    label = escape(f"{operation['summary']}: {what}")
    return f"<pre tabindex='0' role='region' aria-label='{label}'>{escape(text)}</pre>"


def _curl(path: str, method: str, operation: _Document) -> str:
    for one in operation.get("parameters", []):
        path = path.replace("{" + one["name"] + "}", str(one["schema"].get("examples", [""])[0]))
    # curl says POST by itself when it has a body to send, and GET otherwise.
    implied = "post" if "requestBody" in operation else "get"
    named = "" if method == implied else f"-X {method.upper()} "
    lines = [f"curl -i {named}http://localhost:8000{path}"]
    if operation.get("security"):
        lines.append('  -H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"].get("example", {})
        lines += [
            '  -H "Content-Type: application/json"',
            f"  -d '{json.dumps(example, ensure_ascii=False)}'",
        ]
    return " \\\n".join(lines)


def _anchor(operation: _Document) -> str:
    return escape(operation["operationId"])


def _method(method: str) -> str:
    return f"<span class='method {escape(method)}'>{escape(method.upper())}</span>"


def _status(status: str) -> str:
    return f"<span class='status s{escape(status[0])}'>{escape(status)}</span>"


def _marked(text: str) -> str:
    """Text with `code` in back quotes."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
