"""HEAD and OPTIONS as RFC 9110 wants them (9.3.2, 9.3.7), which the framework leaves to its users."""

from typing import cast

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

ALLOW = b"allow"


def allowed_methods(methods: set[str]) -> str:
    """The value of `Allow`: sorted, with HEAD wherever GET is."""
    return ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))


class Methods:
    """ASGI middleware: HEAD is routed as GET, and OPTIONS names every method of its path."""

    def __init__(self, app: ASGIApp, routes: Litestar) -> None:
        self._app = app
        self._allowed: dict[str, bytes] = {}
        for route in routes.routes:
            if isinstance(route, HTTPRoute):
                # The framework's own answer names the methods of the path's first handler only.
                methods = {str(method) for handler in route.route_handlers for method in handler.http_methods}
                self._allowed[route.path_format] = allowed_methods(methods).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a copy for HEAD: the server reads its own scope to leave the body out."""
        method = scope.get("method")
        if method == "HEAD":
            scope = cast(HTTPScope, {**scope, "method": "GET"})
        elif method == "OPTIONS":
            send = self._send_allowed(scope, send)
        await self._app(scope, receive, send)

    def _send_allowed(self, scope: Scope, send: Send) -> Send:
        async def send_allowed(message: Message) -> None:
            allowed = self._allowed.get(scope.get("path_template", ""))
            if message["type"] == "http.response.start" and message["status"] == 204 and allowed:
                others = [header for header in message["headers"] if header[0] != ALLOW]
                message["headers"] = [*others, (ALLOW, allowed)]
            await send(message)

        return send_allowed
