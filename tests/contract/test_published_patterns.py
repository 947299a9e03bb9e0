"""What other programs read of ours uses the regular expressions that all of them have in common."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import pytest
import regress

from app.api.schemas import OrderRequest
from app.main import create_app
from contracts.envelope import Envelope
from contracts.json_schemas import FOLDER, SCHEMAS
from kits.patterns import published, whole
from kits.web.documents.openapi import openapi_document
from tests.unit.api.in_memory_shop import InMemoryShop, container_of

RUST = jsonschema_rs.RegexOptions()
# ECMA-262, RE2 (Go) and Rust's regex have none of these in common, or mean different things by them.
FORBIDDEN = {
    "look-around": r"\(\?<?[=!]",
    "atomic group, inline flags, conditional": r"\(\?[^:]",
    "possessive or lazy repeat": r"[*+?}][+?]",
    "back reference": r"\\[1-9k]",
    "anchor of one dialect": r"\\[AZzGbB]",
    "class that depends on Unicode": r"\\[dDwWsSpPhHvVRX]",
    "class inside of a class": r"\[[^\]\\]*(?:\[|--|&&|~~)",
    "hyphen that is no range": r"\[\^?-|[^\\]-\]",
    "large repeat": r"\{[0-9,]*[0-9]{4}",
}


class Named(msgspec.Struct, frozen=True):
    """A field that is called as what is looked for."""

    pattern: Annotated[str, msgspec.Meta(pattern=whole("[a-z]+|[0-9]"))]


def documents() -> dict[str, Any]:
    """Everything that is published, by its name."""
    api = openapi_document(create_app(container_of(InMemoryShop())))
    return {"openapi": api} | {file.name: json.loads(file.read_text()) for file in FOLDER.glob("*.json")}


def patterns(value: Any) -> Iterator[str]:
    """Every pattern of a schema, at any depth."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "pattern" and isinstance(part, str):
                yield part
            elif name == "patternProperties":
                yield from part
            yield from patterns(part)
    elif isinstance(value, list):
        for part in value:
            yield from patterns(part)


def faults(pattern: str) -> list[str]:
    """Why other programs would refuse a pattern, or read another one."""
    return [fault for fault, sign in FORBIDDEN.items() if re.search(sign, pattern)]


FOUND = {(name, pattern) for name, document in documents().items() for pattern in patterns(document)}


def test_patterns_are_found_in_every_document() -> None:
    """A search that finds nothing proves nothing."""
    events = {f"{ce_type}.json" for ce_type in SCHEMAS}
    assert {name for name, _ in FOUND} == {"openapi", "asyncapi.json", *events}
    assert len({pattern for _, pattern in FOUND}) >= 4


@pytest.mark.parametrize(("document", "pattern"), sorted(FOUND))
def test_a_published_pattern_is_the_same_in_every_dialect(document: str, pattern: str) -> None:
    """Rust's regex compiles it, the engine without look-around, and so does ECMA-262 with its newest flag."""
    assert faults(pattern) == []
    assert (pattern[0], pattern[-1]) == ("^", "$")
    schema = {"type": "string", "pattern": pattern}
    jsonschema_rs.Draft202012Validator(schema, pattern_options=RUST)
    for flags in ("u", "v"):
        regress.Regex(pattern, flags)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^a$(?!\n)", r"^(?=a)a$", r"^(?<!b)a$", r"^(?>a)$", r"^(?i)a$", r"^(?P<n>a)$", "^a*+$", "^a+?$",
        r"^(a)\1$", r"^a\Z", r"\Aa$", r"^\d$", r"^\w+$", r"^\s$", r"^\p{L}$", r"^\ba$", "^[a-z._-]$",
        "^[-a]$", "^[a[b]]$", "^[a&&b]$", "^a{1,1001}$",
    ],
)  # fmt: skip
def test_what_is_not_shared_is_found(pattern: str) -> None:
    """A check that cannot fail is no check."""
    assert faults(pattern)
    if "(?=" in pattern or "(?!" in pattern or "(?<" in pattern or "\\1" in pattern:
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=RUST)


def test_a_pattern_that_is_published_plainly_is_read_strictly() -> None:
    """One definition: `$` for others, and for us no line end behind the text."""
    schema = published(msgspec.json.schema(Named))["$defs"]["Named"]["properties"]
    assert schema["pattern"] == {"type": "string", "pattern": "^(?:[a-z]+|[0-9])$"}
    assert msgspec.convert({"pattern": "abc"}, Named) == Named("abc")
    for text in ("abc\n", "abc1", "", "\nabc"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"pattern": text}, Named)


@pytest.mark.parametrize("kind", [OrderRequest, *SCHEMAS.values(), Envelope])
def test_every_pattern_that_we_read_by_ends_strictly(kind: type[msgspec.Struct]) -> None:
    """A plain `$` here would let a line end through. Times are not read by theirs, only written."""
    read_by = {one for one in patterns(msgspec.json.schema(kind)) if "T[0-9]" not in one}
    assert {one for one in read_by if not one.endswith(r"\Z")} == set()
