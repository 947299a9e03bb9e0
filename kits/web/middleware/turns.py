"""Answers to strangers take turns, so that those who have a name are not kept waiting by them."""

import asyncio
from collections import deque

from litestar.types import ASGIApp, Message, Receive, Scope, Send

_EVERY_SECONDS = 0.002


class Turns:
    """One turn in a round of the loop, and while somebody with a name is served one in two milliseconds.

    First come, first served; nobody waits when nobody else asks.
    """

    def __init__(self, every_seconds: float = _EVERY_SECONDS) -> None:
        self._every_seconds = every_seconds
        self.named = 0
        """Requests with a name that are under way."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False
        self._loop: asyncio.AbstractEventLoop | None = None

    async def mine(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # What another loop had scheduled never comes.
            self._loop, self._taken = loop, False
            self._waiting.clear()
        if not self._taken:
            self._taken = True
            self._next_soon(loop)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._next_soon(asyncio.get_running_loop())
                return
        self._taken = False

    def _next_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.named and self._every_seconds:
            loop.call_later(self._every_seconds, self._next)
        else:
            loop.call_soon(self._next)


class TakeTurns:
    """ASGI middleware: an answer waits for its turn if it goes to nobody known, or is a refusal.

    Whoever waits for an answer sends nothing else meanwhile. So a flood of open pages, probes, refused tokens
    or rubbish gets no more than what orders leave: those never wait for turns, and while one is under way the
    others get 500 answers a second. The connections bound how many wait.
    """

    def __init__(self, app: ASGIApp, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on at once, and its answer in its turn."""

        async def send_in_turn(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                scope.get("auth") is None or 400 <= message["status"] < 500
            ):
                await self._turns.mine()
            await send(message)

        if not any(name == b"authorization" for name, _ in scope.get("headers", ())):
            await self._app(scope, receive, send_in_turn)
            return
        self._turns.named += 1
        try:
            await self._app(scope, receive, send_in_turn)
        finally:
            self._turns.named -= 1
