"""The AsyncAPI document says what travels: it is the committed one, and all that it refers to is there."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema

from contracts.asyncapi import FILE, asyncapi_document, asyncapi_text
from contracts.json_schemas import FOLDER, SCHEMAS
from contracts.order_patterns import PATTERNS
from contracts.topics import ORDER_EVENTS


def references(part: Any) -> Iterator[str]:
    """Every `$ref` at any depth."""
    if isinstance(part, dict):
        yield from [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_the_committed_document_is_the_present_one() -> None:
    """Run `python -m contracts` after a change."""
    assert FILE.read_text() == asyncapi_text()


def test_everything_that_it_refers_to_is_there() -> None:
    document = asyncapi_document()
    for reference in references(document):
        if reference.startswith("./"):
            assert (FOLDER / reference).is_file(), reference
            continue
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/")]
        assert found, reference


def test_it_knows_every_event_and_every_pattern() -> None:
    document = asyncapi_document()
    messages = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert set(SCHEMAS) <= messages
    assert {each.topic for each in PATTERNS} <= set(document["operations"])
    assert document["operations"][ORDER_EVENTS]["action"] == "send"


def test_a_request_fits_its_schema_and_a_wrong_one_does_not() -> None:
    """With the schemas that the document holds, by a validator that knows nothing of this program."""
    document = json.loads(asyncapi_text())
    schema = {
        **document["channels"]["orders.create"]["messages"]["request"]["payload"],
        "components": document["components"],
    }
    validator = jsonschema.Draft202012Validator(schema)
    order = {"customerId": "c-1", "items": [{"productId": "p-1", "quantity": 2}]}
    assert validator.is_valid(order)
    for wrong in ({}, {**order, "items": []}, {**order, "customerId": ""}, {**order, "extra": 1}):
        assert not validator.is_valid(wrong)
