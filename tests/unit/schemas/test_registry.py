"""The client of a schema registry, whatever the registry and the network do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from aiohttp import web

from kits.schemas import registry as module
from kits.schemas.registry import RegistryUnavailableError, SchemaRegistry, UnknownSchemaError
from kits.settings import Secret
from tests.registry_contract import RegistryContract, definition, name_of, put
from tests.registry_server import RegistryServer, refusal, registry_server

PATIENT = 60.0
SECRET = "s3cr3t"


@pytest.fixture
async def server() -> AsyncIterator[RegistryServer]:
    """A registry that a test may break."""
    async with registry_server() as running:
        yield running


@pytest.fixture
def registry(server: RegistryServer) -> SchemaRegistry:
    """A client of it, with a secret that nobody may see."""
    return SchemaRegistry(url=server.url, within_seconds=PATIENT, token=Secret(SECRET))


async def outage(registry: SchemaRegistry) -> str:
    """Both calls find it away; what they say, without the secret."""
    said = []
    for call in (registry.definition(1), registry.register("tests.T", definition())):
        with pytest.raises(RegistryUnavailableError) as away:
            await call
        said.append(f"{away.value!r} {away.value.__cause__!r}")
    assert SECRET not in "".join(said)
    return said[0]


class TestSmallRegistry(RegistryContract):
    """The registry of the tests does what real ones do."""

    @pytest.fixture
    def url(self, server: RegistryServer) -> str:
        """A new one for each test."""
        return server.url


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (401, "credentials"), (403, "right"), (404, "ccompat"), (429, "too often"), (500, "look at"),
        (502, "look at"), (503, "look at"), (504, "look at"), (204, "look at"), (400, "look at"),
        (409, "look at"), (422, "look at"), (418, "look at"),
    ],
)  # fmt: skip
async def test_any_other_answer_is_an_outage_that_says_what_to_do(
    server: RegistryServer, registry: SchemaRegistry, status: int, action: str
) -> None:
    """A page of a proxy in between is no word of a registry, whatever its status."""
    server.says(status, b"<html>Not here</html>" if status != 204 else b"")
    said = await outage(registry)
    assert str(status) in said
    assert action in said


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"<html>", b"\xff", b'{"id":"1"}', b'{"id":-1}', b'{"id":2147483648}',
        b'{"id":true}', b'{"schema":null}', b'{"schema":{}}', b'{"error_code":40403,"message":"with 200"}',
        b"[" * 100_000, b'{"id":1,"schema":"' + b"x" * 300_000 + b'"}',
    ],
    ids=range(15),
)  # fmt: skip
async def test_an_answer_that_no_registry_gives_is_an_outage(
    server: RegistryServer, registry: SchemaRegistry, body: bytes
) -> None:
    """Also one that is longer than a schema can be."""
    server.says(200, body)
    await outage(registry)


@pytest.mark.parametrize("code", [404, 40401, 40402, 50001])
async def test_only_the_registrys_own_word_makes_a_schema_unknown(
    server: RegistryServer, registry: SchemaRegistry, code: int
) -> None:
    """404 with another error code is about the address."""

    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return refusal(404, code, "HTTP 404 Not Found")

    server.answer = elsewhere
    await outage(registry)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"id":1}',
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    ],
    ids=range(8),
)
async def test_bytes_that_are_no_answer_are_an_outage(sent: bytes) -> None:
    """Whoever listens there."""

    async def odd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        with suppress(OSError):
            await writer.drain()
        writer.close()

    listening = await asyncio.start_server(odd, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    registry = SchemaRegistry(url=url, within_seconds=PATIENT)
    async with listening:
        await outage(registry)


async def silent(_request: web.Request) -> web.StreamResponse:
    """Accepts and never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def trickling(request: web.Request) -> web.StreamResponse:
    """Answers byte by byte and never ends."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("slow", [silent, trickling])
async def test_one_deadline_is_for_all_of_a_call(server: RegistryServer, slow: object) -> None:
    """A registry that goes on answering is as slow as one that does not begin."""
    server.answer = slow  # type: ignore[assignment]
    registry = SchemaRegistry(url=server.url, within_seconds=0.2)
    assert "no answer within 0.2 s" in await outage(registry)
    assert len(server.seen) == 2


async def test_a_registry_that_is_down_is_an_outage_and_comes_back(server: RegistryServer) -> None:
    """The client needs no restart."""
    text = definition()
    async with registry_server() as other:
        url = other.url
    registry = SchemaRegistry(url=url, within_seconds=PATIENT)
    assert "look at the registry" in await outage(registry)
    registry._url = server.url
    assert await registry.register(name_of(text), text) == 1


async def test_a_redirect_is_not_followed(server: RegistryServer, registry: SchemaRegistry) -> None:
    """The credentials would go with it."""
    server.says(302, Location=f"{server.url}/schemas/ids/1")
    assert "redirects are not followed" in await outage(registry)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"token": Secret("t-1")}, "Bearer t-1"),
        ({"username": "kéy", "password": Secret("p:w")}, "Basic a8OpeTpwOnc="),
        ({}, None),
    ],
)
async def test_it_says_who_it_is(server: RegistryServer, given: dict[str, str], sent: str | None) -> None:
    """By a token, or by a name and a password, or not at all."""
    registry = SchemaRegistry(url=server.url, within_seconds=PATIENT, **given)  # type: ignore[arg-type]
    await registry.register("tests.T", definition())
    assert server.seen[0].headers.get("Authorization") == sent


async def test_a_refusal_that_is_repeated_shows_no_secret_and_stays_short(
    server: RegistryServer, registry: SchemaRegistry
) -> None:
    """What a registry says goes to logs and terminals."""
    words = f"\x1b[2J Bearer {SECRET}-{SECRET} " + "x" * 100_000

    async def refusing(_request: web.Request) -> web.StreamResponse:
        return refusal(422, 42201, words)

    server.answer = refusing
    with pytest.raises(module.SchemaRefusedError) as refused:
        await registry.register("tests.T", definition())
    said = str(refused.value)
    assert SECRET not in said
    assert said.isprintable()
    assert len(said) < 500


async def test_a_wiped_registry_gives_other_ids(server: RegistryServer, registry: SchemaRegistry) -> None:
    """What it said before is unknown then, or another's; whoever keeps ids has to look at the definition."""
    mine, strange = definition(), definition()
    former = await registry.register(name_of(mine), mine)
    server.wipe()
    with pytest.raises(UnknownSchemaError):
        await registry.definition(former)
    assert await registry.register(name_of(strange), strange) == former
    assert await registry.register(name_of(mine), mine) != former
    assert json.loads(await registry.definition(former)) == json.loads(strange)


async def test_a_schema_in_several_parts_is_unknown(server: RegistryServer, registry: SchemaRegistry) -> None:
    """They are not followed: what it says alone is half of it."""
    reference = {"name": "tests.Other", "subject": "tests.Other", "version": 1}
    schema_id = await put(server.url, "t", {"schemaType": "AVRO", "schema": "{}", "references": [reference]})
    with pytest.raises(UnknownSchemaError, match="refers to others"):
        await registry.definition(schema_id)


@pytest.mark.parametrize("url", ["registry:8081", "ftp://registry", "http://u:p@registry", "http://r/?x=1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """Without showing it, which may hold a password."""
    with pytest.raises(ValueError, match="must be like") as refused:
        SchemaRegistry(url=url)
    assert url not in str(refused.value)


async def test_without_an_address_nothing_is_asked() -> None:
    """The error says which setting is missing."""
    registry = SchemaRegistry(url="")
    assert "set SCHEMA_REGISTRY_URL" in await outage(registry)
