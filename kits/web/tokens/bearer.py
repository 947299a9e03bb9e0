"""Bearer authentication (RFC 6750): gives handlers the caller's identity as `request.auth`."""

import math
from collections.abc import Iterable
from typing import cast

from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from kits.resilience.rate_limit import RateLimiter
from kits.web.problems.details import ProblemError
from kits.web.tokens.claims import InvalidTokenError, TokenFault
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import Identity, TokenVerifier

_SCHEME = b"bearer"


def bearer_auth(
    verifier: TokenVerifier, refused: RefusedTokens, limiter: RateLimiter | None = None
) -> DefineMiddleware:
    """Middleware for routers whose handlers need an identity; `limiter` bounds each subject's requests."""

    # In a closure: the framework copies routes deeply, with the arguments of their middleware.
    def build(app: ASGIApp) -> ASGIApp:
        return cast(ASGIApp, BearerAuth(app, verifier, refused, limiter))

    return DefineMiddleware(build)


class BearerAuth:
    """ASGI middleware. (The framework's guards copy the handler for each request and run in a thread.)"""

    def __init__(
        self,
        app: ASGIApp,
        verifier: TokenVerifier,
        refused: RefusedTokens,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._refused = refused
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a proven identity through; OPTIONS needs none, since it says nothing about anybody.

        What is above the limit is refused before its body is read.

        Raises:
            ProblemError: unauthenticated or invalid_token, with `WWW-Authenticate` as RFC 6750, 3 asks;
                rate_limited (429), with the seconds to wait, rounded up, in Retry-After (RFC 6585).
        """
        if scope.get("method") != "OPTIONS":
            try:
                scope["auth"] = identity = await self._identify(scope["headers"])
            except InvalidTokenError as error:
                self._refused.add(error)
                raise _problem(str(error)) from error
            if self._limiter is not None and (wait := self._limiter.admit(identity.subject)) > 0:
                detail = "This customer sends more requests than are allowed."
                raise ProblemError("rate_limited", detail, headers={"retry-after": str(math.ceil(wait))})
        await self._app(scope, receive, send)

    async def _identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Identity:
        token = _token_of(headers)
        try:
            return self._verifier.verify(token)
        except InvalidTokenError as error:
            if error.fault is not TokenFault.UNKNOWN_KEY or not await self._verifier.newer_keys():
                raise
        return self._verifier.verify(token)


def _token_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        raise ProblemError(
            "unauthenticated",
            "Send the header Authorization with a bearer token.",
            headers={"www-authenticate": "Bearer"},
        )
    scheme, _, token = found[0].partition(b" ")
    if len(found) > 1 or scheme.lower() != _SCHEME or not token:
        raise InvalidTokenError(
            TokenFault.NO_BEARER, "Authorization must be one header with the scheme Bearer."
        )
    return token.decode("latin-1")


def _problem(reason: str) -> ProblemError:
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    return ProblemError("invalid_token", reason, headers={"www-authenticate": challenge})
