"""Bounds how often one subject may ask; stands behind authentication, so probes and open pages are free."""

import math

from litestar.types import ASGIApp, Receive, Scope, Send

from kits.resilience.rate_limit import RateLimiter
from kits.web.problems.details import ProblemError


class SubjectRateLimit:
    """ASGI middleware: refuses what is above the limit before its body is read."""

    def __init__(self, app: ASGIApp, limiter: RateLimiter) -> None:
        self._app = app
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit; OPTIONS has no subject.

        Raises:
            ProblemError: rate_limited (429), with the seconds to wait, rounded up, in Retry-After (RFC 6585).
        """
        if scope.get("method") != "OPTIONS":
            wait = self._limiter.admit(scope["auth"].subject)
            if wait > 0:
                raise ProblemError(
                    "rate_limited",
                    "This customer sends more requests than are allowed.",
                    headers={"retry-after": str(math.ceil(wait))},
                )
        await self._app(scope, receive, send)
