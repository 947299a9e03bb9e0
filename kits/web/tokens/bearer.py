"""A token in the header Authorization (RFC 6750): gives handlers the caller's identity as `request.auth`."""

import math
from collections.abc import Sequence
from typing import cast

from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from kits.resilience.rate_limit import RateLimiter
from kits.web.problems.details import ProblemError
from kits.web.tokens.claims import InvalidTokenError, TokenFault
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import Identity, TokenVerifier

BEARER = ("Bearer",)
"""The only scheme of RFC 6750."""
_CHALLENGE = "www-authenticate"


def bearer_auth(
    verifier: TokenVerifier,
    refused: RefusedTokens,
    limiter: RateLimiter | None = None,
    *,
    schemes: Sequence[str] = BEARER,
    optional: bool = False,
) -> DefineMiddleware:
    """Middleware for routers whose handlers need an identity, or where it is `optional` take one.

    Args:
        limiter: bounds each subject's requests.
        schemes: words that may stand before a token, in any case; the first one is named in challenges.
        optional: without the header `request.auth` is None; a token that is there must be good all the same.
    """

    # In a closure: the framework copies routes deeply, with the arguments of their middleware.
    def build(app: ASGIApp) -> ASGIApp:
        return cast(ASGIApp, BearerAuth(app, verifier, refused, limiter, schemes=schemes, optional=optional))

    return DefineMiddleware(build)


class BearerAuth:
    """ASGI middleware. (The framework's guards copy the handler for each request and run in a thread.)"""

    def __init__(
        self,
        app: ASGIApp,
        verifier: TokenVerifier,
        refused: RefusedTokens,
        limiter: RateLimiter | None = None,
        *,
        schemes: Sequence[str] = BEARER,
        optional: bool = False,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._refused = refused
        self._limiter = limiter
        self._schemes = schemes
        self._known = frozenset(scheme.lower().encode() for scheme in schemes)
        self._optional = optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a proven identity through; OPTIONS needs none, since it says nothing about anybody.

        What is above the limit is refused before its body is read.

        Raises:
            ProblemError: unauthenticated or invalid_token, with `WWW-Authenticate` as RFC 6750, 3 asks;
                rate_limited (429), with the seconds to wait, rounded up, in Retry-After (RFC 6585).
        """
        if scope.get("method") != "OPTIONS":
            sent = [value for name, value in scope["headers"] if name == b"authorization"]
            if not sent and self._optional:
                scope["auth"] = None
            else:
                scope["auth"] = await self._admitted(sent)
        await self._app(scope, receive, send)

    async def _admitted(self, sent: list[bytes]) -> Identity:
        try:
            identity = await self._identify(self._token_of(sent))
        except InvalidTokenError as error:
            self._refused.add(error)
            challenge = f'{self._schemes[0]} error="invalid_token", error_description="{error}"'
            raise ProblemError("invalid_token", str(error), headers={_CHALLENGE: challenge}) from error
        if self._limiter is not None and (wait := self._limiter.admit(identity.subject)) > 0:
            detail = "This customer sends more requests than are allowed."
            raise ProblemError("rate_limited", detail, headers={"retry-after": str(math.ceil(wait))})
        return identity

    async def _identify(self, token: str) -> Identity:
        try:
            return self._verifier.verify(token)
        except InvalidTokenError as error:
            if error.fault is not TokenFault.UNKNOWN_KEY or not await self._verifier.newer_keys():
                raise
        return self._verifier.verify(token)

    def _token_of(self, sent: list[bytes]) -> str:
        if not sent:
            first = self._schemes[0]
            detail = f"Send the header Authorization: {first} <token>."
            raise ProblemError("unauthenticated", detail, headers={_CHALLENGE: first})
        scheme, _, token = sent[0].partition(b" ")
        if len(sent) > 1 or scheme.lower() not in self._known or not token:
            named = " or ".join(self._schemes)
            raise InvalidTokenError(
                TokenFault.NO_BEARER, f"Authorization must be one header with the scheme {named}."
            )
        return token.decode("latin-1")
