"""Answers a request that the server gave up because it had to stop."""

import asyncio

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kits.web.asgi_answers import send_problem
from kits.web.problems import Problems

_DETAIL = "The service stopped before this request was finished."


class Interruption:
    """ASGI middleware: a request that is cancelled at the end of the drain gets a 503 problem."""

    def __init__(self, app: ASGIApp, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the request normally: only the server cancels it, and it waits for nothing more."""
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except asyncio.CancelledError:
            if not started:
                await send_problem(send, self._problems.answer("shutting_down", _DETAIL, path=scope["path"]))
