"""Who may come in: only a token that proves its subject."""

import time

import jwt
import pytest

from tests.integration.api.conftest import Shop
from tests.integration.api.raw import message
from tests.unit.api.in_memory_shop import AUDIENCE, ISSUER, SECRET, a_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIMS = {"sub": "c-1", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 86_400}
UNSIGNED = jwt.encode(CLAIMS, "", algorithm="none")
REFUSED = {
    "expired": a_token(now=time.time() - 7200),
    "of another issuer": a_token(issuer="other"),
    "for another audience": a_token(audience="other"),
    "forged": a_token(secret="another-secret-of-more-than-32-bytes"),
    "unsigned": UNSIGNED,
    "of another algorithm": jwt.encode(CLAIMS, str(SECRET) * 2, algorithm="HS512"),
    "without a subject": jwt.encode({**CLAIMS, "sub": ""}, str(SECRET), algorithm="HS256"),
    "with a nul in its subject": jwt.encode({**CLAIMS, "sub": "c\x00"}, str(SECRET), algorithm="HS256"),
    "no token": "abc",
    "empty": "",
    "not ascii": "\xff\xfe",
    "very long": "x" * 9000,
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_that_proves_nothing_is_401(shop: Shop, case: str) -> None:
    reply = await shop.get("/orders/x", authorization=f"Bearer {REFUSED[case]}")
    assert (reply.status, reply.problem()["code"]) == (401, "invalid_token")
    assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_without_a_token_the_challenge_names_no_error(shop: Shop) -> None:
    reply = await shop.send(message("GET", "/orders/x"))
    assert (reply.status, reply.problem()["code"]) == (401, "unauthenticated")
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("value", ["Basic Yzp4", "Bearer", "Token x", "bearer"])
async def test_another_scheme_is_401(shop: Shop, value: str) -> None:
    assert (await shop.get("/orders/x", authorization=value)).status == 401


async def test_two_tokens_are_401(shop: Shop) -> None:
    sent = message(
        "GET", "/orders/x", authorization=f"Bearer {shop.token}\r\nAuthorization: Bearer {shop.token}"
    )
    assert (await shop.send(sent)).status == 401


async def test_the_scheme_is_read_in_any_case(shop: Shop) -> None:
    assert (await shop.get("/orders/x", authorization=f"bEARER {shop.token}")).status == 404


async def test_a_refused_order_leaves_its_connection_usable(shop: Shop) -> None:
    reply = await shop.order(b'{"items":[]}', authorization="Bearer x")
    assert reply.status == 401
    assert "connection" not in reply.headers


@pytest.mark.parametrize("path", ["/docs", "/docs/problems", "/docs/openapi.json"])
async def test_documentation_is_open(shop: Shop, path: str) -> None:
    assert (await shop.send(message("GET", path))).status == 200
