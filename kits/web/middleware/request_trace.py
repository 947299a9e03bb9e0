"""Gives each request its trace context (W3C), so that logs, problems and events of it share one id."""

from litestar.types import ASGIApp, Receive, Scope, Send

from kits.observability.traces import continue_trace, current_traceparent


class RequestTrace:
    """ASGI middleware: continues the caller's `traceparent` or starts a trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the context for the rest of this request's task."""
        received = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        current_traceparent.set(continue_trace(received.decode("latin-1")))
        await self._app(scope, receive, send)
