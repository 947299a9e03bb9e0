"""Scopes (RFC 6749, 3.3): what a token allows its holder to do, beyond being somebody."""

from kits.web.problems.details import ProblemError
from kits.web.tokens.verifier import Identity


def require_scope(identity: Identity, scope: str, *others: str) -> None:
    """Let a caller go on whose token has this scope, or one of the others; the first line of a handler.

    Raises:
        ProblemError: forbidden (403), with the challenge of RFC 6750, 3.1, which asks for the first.
    """
    if identity.scopes.isdisjoint((scope, *others)):
        raise ProblemError(
            "forbidden",
            f"This needs a token with the scope {' or '.join((scope, *others))}.",
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            facts={"scope": scope},
        )
