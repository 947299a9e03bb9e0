"""The header Authorization: which schemes are known, and who may come without one."""

from typing import Any

import pytest

from kits.observability.metrics import Metrics
from kits.web.problems.details import ProblemError
from kits.web.tokens.bearer import BearerAuth
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import TokenVerifier, issue_token

SECRET = "a-test-secret-of-more-than-32-bytes"
TOKEN = issue_token(SECRET, "c-1", issuer="shop", audience="orders")


async def subject(sent: list[str], **options: Any) -> str | None:
    """Who gets through with these headers."""
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["auth"])

    verifier = TokenVerifier(issuer="shop", audience="orders", secret=SECRET)
    door = BearerAuth(app, verifier, RefusedTokens(Metrics()), **options)
    scope: Any = {
        "type": "http",
        "method": "GET",
        "headers": [(b"authorization", each.encode()) for each in sent],
    }
    await door(scope, None, None)  # type: ignore[arg-type]
    (identity,) = seen
    return identity.subject if identity else None


@pytest.mark.parametrize("scheme", ["Token", "Bearer", "TOKEN", "bearer"])
async def test_every_scheme_that_is_known_stands_before_a_token(scheme: str) -> None:
    assert await subject([f"{scheme} {TOKEN}"], schemes=("Token", "Bearer")) == "c-1"


async def test_nobody_known_is_let_in_where_a_token_is_optional() -> None:
    assert await subject([], optional=True) is None
    assert await subject([f"Bearer {TOKEN}"], optional=True) == "c-1"


@pytest.mark.parametrize("sent", [["Bearer x"], ["Basic eDp5"], [""], ["Bearer"], [f"Bearer {TOKEN}"] * 2])
async def test_a_bad_token_is_none_less_bad_where_it_is_optional(sent: list[str]) -> None:
    """Whoever shows one means to be somebody."""
    with pytest.raises(ProblemError) as refused:
        await subject(sent, optional=True)
    assert refused.value.code == "invalid_token"


async def test_the_challenge_names_the_first_scheme() -> None:
    """So that a client knows what to send."""
    with pytest.raises(ProblemError) as missing:
        await subject([], schemes=("Token", "Bearer"))
    assert (missing.value.code, missing.value.headers) == ("unauthenticated", {"www-authenticate": "Token"})
    with pytest.raises(ProblemError) as bad:
        await subject(["Basic x"], schemes=("Token", "Bearer"))
    assert bad.value.headers["www-authenticate"].startswith('Token error="invalid_token"')
    assert str(bad.value) == "Authorization must be one header with the scheme Token or Bearer."
