"""Headers that every answer carries, so that no browser or cache makes more of it than it is."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", NO_CONTENT_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


class ResponseHeaders:
    """ASGI middleware: adds the headers of the OWASP REST cheat sheet where an answer has none of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Complete the headers on their way out."""

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                present = {name for name, _ in headers}
                message["headers"] = headers + [one for one in SECURITY_HEADERS if one[0] not in present]
            await send(message)

        await self._app(scope, receive, send_completed)
