"""A small schema registry for tests: keeps what is registered, or answers what a test wants."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from kits.schemas.compatibility import InvalidDefinitionError, incompatibilities

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RegistryServer:
    """Confluent's interface below `/apis/ccompat/v7`: every subject is checked for BACKWARD."""

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.next_id = 1
        self.answer: Answering = self.as_registry
        self.seen: list[web.Request] = []
        self.port = 0

    @property
    def url(self) -> str:
        """The base that clients are given."""
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def wipe(self) -> None:
        """Nothing is known any more, and ids begin at 1 again."""
        self.schemas, self.subjects, self.next_id = {}, {}, 1

    def says(self, status: int, body: bytes = b"", **headers: str) -> None:
        """From now on it answers this."""

        async def saying(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=body, headers=headers)

        self.answer = saying

    async def as_registry(self, request: web.Request) -> web.StreamResponse:
        """What a real one answers."""
        if request.method == "POST":
            return self._register(request.match_info["subject"], await request.json())
        schema_id = int(request.match_info["id"])
        found = self.schemas.get(schema_id)
        return web.json_response(found) if found else refusal(404, 40403, f"Schema {schema_id} not found.")

    def _register(self, subject: str, asked: dict[str, Any]) -> web.StreamResponse:
        former = self.subjects.get(subject, [])
        if "schemaType" not in asked:
            try:
                new = json.loads(asked["schema"])
                old = [json.loads(self.schemas[each]["schema"]) for each in former]
                reasons = [reason for each in (new, *old) for reason in incompatibilities(new, each)]
            except (ValueError, InvalidDefinitionError) as error:
                return refusal(422, 42201, f"Invalid schema: {error}")
            if reasons:
                return refusal(409, 409, f"Incompatible schema: {reasons[0].sentence}")
        schema_id = next((each for each, known in self.schemas.items() if known == asked), self.next_id)
        self.next_id = max(self.next_id, schema_id + 1)
        self.schemas[schema_id] = asked
        self.subjects[subject] = list(dict.fromkeys([*former, schema_id]))
        return web.json_response({"id": schema_id})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        return await self.answer(request)


def refusal(status: int, code: int, message: str) -> web.Response:
    """As registries refuse."""
    return web.json_response({"error_code": code, "message": message}, status=status)


@asynccontextmanager
async def registry_server() -> AsyncIterator[RegistryServer]:
    """Served on a free port, until the end of the block."""
    server = RegistryServer()
    app = web.Application()
    app.router.add_post("/apis/ccompat/v7/subjects/{subject}/versions", server._handle)
    app.router.add_get("/apis/ccompat/v7/schemas/ids/{id}", server._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
