"""Answers a request that nothing else answered: given up at the stop, or failed outside of a handler."""

import asyncio

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kits.web.doors.answers import send_problem
from kits.web.middleware.response_headers import SECURITY_HEADERS
from kits.web.problems.details import Problems
from kits.web.problems.failures import FailureLog

_STOPPED = "The service stopped before this request was finished."
_FAILED = "The service failed while it worked on this request."
_HEADERS = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}


class LastAnswer:
    """ASGI middleware: whatever goes wrong behind it ends in a problem, never in the server's plain text.

    A request that is cancelled at the end of the drain gets 503, one whose handling raised gets 500 and is
    logged. If an answer has begun, its connection is closed by the server, since it stays incomplete.
    """

    def __init__(self, app: ASGIApp, problems: Problems, failures: FailureLog) -> None:
        self._app = app
        self._problems = problems
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the request normally, always: only the server cancels it, and it waits for nothing more."""
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        code, detail = "internal_error", _FAILED
        try:
            await self._app(scope, receive, send_watched)
        except asyncio.CancelledError:
            code, detail = "shutting_down", _STOPPED
        except Exception as error:  # noqa: BLE001 - logged, with its trace, by the failure log
            self._failures.add(error, scope)
        else:
            return
        if not started:
            answer = self._problems.answer(code, detail, path=str(scope.get("path", "")), headers=_HEADERS)
            await send_problem(send, answer)
