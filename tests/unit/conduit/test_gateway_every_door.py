"""Every door of the gateway that its document names: bad input is refused cleanly and does nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from conduit.gateway.main import create_app
from kits.web.documents.openapi import openapi_document
from tests.integration.api.bad_input import BadRequest, bad_requests
from tests.unit.conduit.conftest import Gateway, container_of
from tests.unit.conduit.in_memory_services import InMemoryServices, a_token, write_keys

# RealWorld's front ends send whole objects back, and texts have lines.
ALLOWED = (
    "an unknown member",
    "body: a line end",
    "description: a line end",
    "bio: a line end",
)


def _document() -> Any:
    with TemporaryDirectory() as folder:
        container = container_of(InMemoryServices(), str(write_keys(Path(folder))))
        return openapi_document(create_app(container))


DOCUMENT = _document()
FOUND = [bad for bad in bad_requests(DOCUMENT, f"Token {a_token('u-1')}") if not bad.fault.endswith(ALLOWED)]
DOORS = sorted({bad.door for bad in FOUND})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("door", DOORS)
async def test_bad_input_gets_a_clean_refusal_at_every_door(gateway: Gateway, door: str) -> None:
    """In the form of the others; nothing of a bad body reaches a service."""
    for bad in FOUND:
        if bad.door == door:
            gateway.behind.sent.clear()
            await _refused(gateway, bad)


async def _refused(gateway: Gateway, bad: BadRequest) -> None:
    reply = await gateway.send(bad.sent)
    assert 400 <= reply.status < 500, (bad.fault, reply)
    assert reply.json["errors"], bad.fault
    assert reply.headers["content-type"] == "application/json", bad.fault
    if bad.in_body:
        assert reply.status in {400, 413, 415, 422}, (bad.fault, reply)
        assert gateway.behind.sent == [], bad.fault


def test_every_door_gets_some_and_a_body_gets_many() -> None:
    """A generator that finds nothing proves nothing."""
    doors = [f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods]
    found = [bad.door for bad in FOUND]
    assert len(doors) == 20
    assert min(found.count(door) for door in doors) >= 7
    assert sum(bad.in_body for bad in FOUND if bad.door == "POST /api/articles") >= 50
    assert sum(bad.in_body for bad in FOUND if bad.door == "POST /graphql") >= 25
