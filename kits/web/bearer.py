"""Bearer authentication (RFC 6750): gives handlers the caller's identity as `request.auth`."""

from collections.abc import Iterable
from typing import cast

from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from kits.resilience.rate_limit import RateLimiter
from kits.web.problems import ProblemError
from kits.web.rate_limit import SubjectRateLimit
from kits.web.tokens import Identity, InvalidTokenError, TokenVerifier

_SCHEME = b"bearer"


def bearer_auth(verifier: TokenVerifier, limiter: RateLimiter | None = None) -> DefineMiddleware:
    """Middleware for routers whose handlers need an identity; `limiter` bounds each subject's requests."""
    return DefineMiddleware(BearerAuth, verifier=verifier, limiter=limiter)


class BearerAuth:
    """ASGI middleware. (The framework's guards copy the handler for each request and run in a thread.)"""

    def __init__(self, app: ASGIApp, verifier: TokenVerifier, limiter: RateLimiter | None = None) -> None:
        self._app = app if limiter is None else cast(ASGIApp, SubjectRateLimit(app, limiter))
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a proven identity through; OPTIONS needs none, since it says nothing about anybody.

        Raises:
            ProblemError: unauthenticated or invalid_token, with `WWW-Authenticate` as RFC 6750, 3 asks.
        """
        if scope.get("method") != "OPTIONS":
            scope["auth"] = self._identify(scope["headers"])
        await self._app(scope, receive, send)

    def _identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        found = [value for name, value in headers if name == b"authorization"]
        if not found:
            raise ProblemError(
                "unauthenticated",
                "Send the header Authorization with a bearer token.",
                headers={"www-authenticate": "Bearer"},
            )
        scheme, _, token = found[0].partition(b" ")
        if len(found) > 1 or scheme.lower() != _SCHEME or not token:
            raise _refused("Authorization must be one header with the scheme Bearer.")
        try:
            return self._verifier.verify(token.decode("latin-1"))
        except InvalidTokenError as error:
            raise _refused(str(error)) from error


def _refused(reason: str) -> ProblemError:
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    return ProblemError("invalid_token", reason, headers={"www-authenticate": challenge})
