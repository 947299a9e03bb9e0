"""Bad requests for every door that an OpenAPI document names, made from what it says about the door."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.integration.api.raw import message

_SENTINEL = "the value to replace"
_DEEP = b"[" * 60_000
_ORDER_ID = "019f8e6a-3d52-7c1e-9b4a-5f0c2d7e8a91"
_PATHS = ("%00", "p-1%00", "p-1%0a", f"{_ORDER_ID}%0a", "%ff", "9" * 27, "..%2f..", "a" * 7000)


@dataclass(frozen=True, slots=True)
class BadRequest:
    """One of them, and what is wrong with it."""

    door: str
    fault: str
    sent: bytes
    in_body: bool = False

    def __str__(self) -> str:
        return f"{self.door}: {self.fault}"


def bad_requests(document: Any, authorization: str) -> list[BadRequest]:
    """All of them, in the order of the document."""
    return [
        bad
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for bad in _Door(document, method.upper(), path, operation, authorization).bad_requests()
    ]


class _Door:
    def __init__(self, document: Any, method: str, path: str, operation: Any, authorization: str) -> None:
        self._schemas = document["components"]["schemas"]
        self._method = method
        self._template = path
        self._parameters = operation.get("parameters", [])
        self._body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        self._good = json.dumps(self._body["example"]).encode() if self._body else b""
        self._headers = {"authorization": authorization, "content_type": "application/json"}
        self._path = self._filled({})

    def bad_requests(self) -> Iterator[BadRequest]:
        for fault, path in self._paths():
            yield self._bad(fault, path=path)
        for fault, query in self._queries():
            yield self._bad(fault, path=f"{self._path}?{query}")
        for name in self._names("header"):
            yield self._bad(f"letters in {name}", headers={name: "é"})
            yield self._bad(f"a long {name}", headers={name: "a" * 300})
        if self._method == "GET":
            return
        yield self._bad("200,000 nested arrays", body=b"[" * 200_000)
        yield self._bad("300,000 items", body=b'{"items":[' + b"1," * 300_000 + b"1]}")
        if self._body:
            yield from self._bad_bodies()

    def _bad(
        self, fault: str, *, path: str = "", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> BadRequest:
        sent = self._good if body is None else body
        named = {**self._headers, **{name.lower(): value for name, value in (headers or {}).items()}}
        request = message(self._method, path or self._path, sent, **named)
        return BadRequest(f"{self._method} {self._template}", fault, request, in_body=body is not None)

    def _names(self, place: str) -> list[str]:
        return [one["name"] for one in self._parameters if one["in"] == place]

    def _filled(self, values: dict[str, str]) -> str:
        path = self._template
        for name in self._names("path"):
            path = path.replace("{" + name + "}", values.get(name, _ORDER_ID))
        return path

    def _paths(self) -> Iterator[tuple[str, str]]:
        for name in self._names("path"):
            for value in _PATHS:
                # A PUT may make what has such a name.
                if self._method != "PUT" or not value.isdigit():
                    yield f"{name}={value[:40]}", self._filled({name: value})

    def _queries(self) -> Iterator[tuple[str, str]]:
        for query in ("x=1", "x", "=1", "%00=1", "x=%zz", "x=%ff", "&".join(f"x{n}=1" for n in range(300))):
            yield f"unknown {query[:20]}", query
        for one in self._parameters:
            if one["in"] == "query":
                name, schema = one["name"], self._resolved(one["schema"])
                wrong: tuple[str, ...] = ("%00", "%ff", "%0a", "%1f", "a" * 7000)
                if schema["type"] == "integer":
                    wrong = ("1.0", "1e2", "+1", "%2B1", "05", "9" * 27, "", "1%0a", "%D9%A3", "1_0", *wrong)
                for value in wrong:
                    yield f"{name}={value[:30]}", f"{name}={value}"
                yield f"{name} twice", f"{name}=1&{name}=1"

    def _bad_bodies(self) -> Iterator[BadRequest]:
        good, text = self._good, self._good.decode()
        for headers in (
            {"content_type": "text/plain"},
            {"content_type": "application/x-www-form-urlencoded"},
            {"content_type": "multipart/form-data; boundary=x"},
            {"content_type": ""},
            {"content_encoding": "gzip"},
        ):
            yield self._bad(f"sent with {headers}", body=good, headers=headers)
        for coding in ("utf-16", "utf-16-be", "utf-32", "utf-8-sig"):
            yield self._bad(coding, body=text.encode(coding))
        for body in (b"", good[:-1], good + good, b"null", b'"text"', b"1", b"[]", b"\xff", b"NaN", _DEEP):
            yield self._bad(f"{body[:20]!r}", body=body)
        for place, schema, value in self._leaves(self._body["example"], self._body["schema"], ()):
            for fault, raw in _wrong(schema, value):
                yield self._bad(f"{'.'.join(map(str, place))}: {fault}", body=self._with(place, raw))

    def _leaves(self, value: Any, schema: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, Any, Any]]:
        schema = self._resolved(schema)
        yield place, schema, value
        if schema["type"] == "object":
            for name, part in value.items():
                yield from self._leaves(part, schema["properties"][name], (*place, name))
        elif schema["type"] == "array":
            yield from self._leaves(value[0], schema["items"], (*place, 0))

    def _resolved(self, schema: Any) -> Any:
        options = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
        if options:
            schema = next(one for one in options if one.get("type") != "null")
        found = self._schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return {"type": "string", **found} if "enum" in found else found

    def _with(self, place: tuple[Any, ...], raw: bytes) -> bytes:
        if not place:
            return raw
        changed = deepcopy(self._body["example"])
        inner = changed
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = _SENTINEL
        return json.dumps(changed).encode().replace(json.dumps(_SENTINEL).encode(), raw)


def _wrong(schema: Any, value: Any) -> Iterator[tuple[str, bytes]]:
    """What no value of this schema may be, as JSON or what pretends to be."""
    yield "nested", _DEEP
    kinds = {
        "string": _wrong_texts,
        "integer": _wrong_numbers,
        "array": _wrong_lists,
        "object": _wrong_objects,
    }
    yield from kinds[schema["type"]](schema, value)


def _wrong_texts(schema: Any, value: Any) -> Iterator[tuple[str, bytes]]:
    begun = json.dumps(value).encode()[:-1]
    for fault, end in (
        ("nul", b"\\u0000"),
        ("a raw nul", b"\x00"),
        ("half a surrogate", b"\\ud800"),
        ("no utf-8", b"\xff"),
        ("overlong utf-8", b"\xc0\x80"),
        ("a surrogate in utf-8", b"\xed\xa0\x80"),
    ):
        yield fault, begun + end + b'"'
    yield "a number", b"1"
    if "pattern" in schema:
        yield "a line end", begun + b'\\n"'
        if not re.search(schema["pattern"], ""):
            yield "empty", b'""'


def _wrong_numbers(schema: Any, _value: Any) -> Iterator[tuple[str, bytes]]:
    for raw in ("1.0", "1e0", "1.5", '"1"', "01", "+1", "true", "NaN", "9" * 27, "9" * 60_000, "[1]"):
        yield raw[:30], raw.encode()
    if "minimum" in schema:
        yield "too small", str(schema["minimum"] - 1).encode()
    if "maximum" in schema:
        yield "too large", str(schema["maximum"] + 1).encode()


def _wrong_lists(schema: Any, value: Any) -> Iterator[tuple[str, bytes]]:
    item = json.dumps(value[0]).encode()
    yield "too many", b"[" + b",".join([item] * (schema.get("maxItems", 300_000) + 1)) + b"]"
    yield "an object", b"{}"


def _wrong_objects(_schema: Any, value: Any) -> Iterator[tuple[str, bytes]]:
    begun = json.dumps(value).encode()[:-1]
    name, first = next(iter(value.items()))
    yield "a member twice", begun + b"," + json.dumps({name: first}).encode()[1:]
    yield "an unknown member", begun + b',"unknown":1}'
