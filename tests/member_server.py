"""A small Member API for tests: answers what a test wants, and counts what it was asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web


class MemberServer:
    """`GET /users/{id}`; `answer` may be replaced for all of them, and `held` holds them back."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.member
        self.seen: list[web.Request] = []
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.port = 0

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self.port}/base/"

    async def member(self, request: web.Request) -> web.StreamResponse:
        """What the real one answers."""
        member_id = request.match_info["id"]
        if member_id not in self.names:
            return web.json_response({"code": "member_not_found"}, status=404)
        return web.json_response({"id": member_id, "name": self.names[member_id], "version": 1})

    def fails(self, status: int, **headers: str) -> None:
        """From now on it answers this."""

        async def failing(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers=headers)

        self.answer = failing

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        await self.let_go.wait()
        return await self.answer(request)


@asynccontextmanager
async def member_server() -> AsyncIterator[MemberServer]:
    """Served on a free port, until the end of the block."""
    server = MemberServer()
    app = web.Application()
    app.router.add_get("/base/users/{id}", server._handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        server.let_go.set()
        await runner.cleanup()
