"""Counts requests and measures them, by method, route and status; one histogram holds both."""

from collections.abc import Callable
from time import perf_counter

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kits.observability.metrics import Metrics

_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NO_ANSWER = 0


class RequestMetrics:
    """ASGI middleware: `http_server_request_duration_seconds`, from the parsed head to the last byte.

    Every label has few values, whatever is sent: the route's template (`unmatched` without one), known
    methods (`other` for the rest), the status (0 if the connection ended without an answer).
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._histogram = metrics.histogram(
            "http_server_request_duration_seconds",
            "Requests by method, route template and status; status 0 ended without an answer.",
            ["method", "route", "status_code"],
        )
        # Looking a labelled child up by its labels costs more than observing it.
        self._observers: dict[tuple[str, str, int], Callable[[float], None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure one request."""
        status = _NO_ANSWER
        began = perf_counter()

        async def send_watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            self._observe(scope, status, perf_counter() - began)

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        key = (str(scope.get("method", "")), scope.get("path_template", ""), status)
        observer = self._observers.get(key)
        if observer is None:
            method = key[0] if key[0] in _METHODS else "other"
            observer = self._histogram.labels(method, key[1] or "unmatched", str(status)).observe
            if method != "other":
                self._observers[key] = observer
        observer(seconds)
