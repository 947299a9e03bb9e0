"""Every request gets an answer, whatever fails, and no browser or cache makes more of it than it is."""

import asyncio

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kits.web.doors.answers import problem_answer
from kits.web.problems.details import Problems
from kits.web.problems.failures import FailureLog

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_STOPPED = "The service stopped before this request was finished."
_FAILED = "The service failed while it worked on this request."


class EveryAnswer:
    """ASGI middleware: whatever goes wrong behind it ends in a problem, never in the server's plain text.

    A request that is cancelled at the end of the drain gets 503, one whose handling raised gets 500 and is
    logged. If an answer has begun, its connection is closed by the server, since it stays incomplete. Each
    gets the headers of the OWASP REST cheat sheet where it has none of its own.
    """

    def __init__(self, app: ASGIApp, problems: Problems, failures: FailureLog) -> None:
        self._app = app
        self._problems = problems
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the request normally, always: only the server cancels it, and it waits for nothing more."""
        started = False

        async def send_completed(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name for name, _ in headers}
                message["headers"] = headers + [one for one in SECURITY_HEADERS if one[0] not in present]
            await send(message)

        code, detail = "internal_error", _FAILED
        try:
            await self._app(scope, receive, send_completed)
        except asyncio.CancelledError:
            code, detail = "shutting_down", _STOPPED
        except Exception as error:  # noqa: BLE001 - logged, with its trace, by the failure log
            self._failures.add(error, scope)
        else:
            return
        if not started:
            problem = self._problems.answer(code, detail, path=str(scope.get("path", "")))
            await problem_answer(problem).send(send_completed)
