"""Keys behind an address: fetched at start, followed, kept for a day while it is away, and judged."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import jwt
import pytest
from aiohttp import ClientTimeout, web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from structlog.testing import capture_logs

from kits.observability.health import CheckResult, Status
from kits.observability.metrics import Metrics
from kits.process.background import Supervisor
from kits.resilience.retry import Backoff
from kits.web.problems.details import ProblemError
from kits.web.tokens import jwks_url as module
from kits.web.tokens.bearer import BearerAuth
from kits.web.tokens.claims import InvalidTokenError
from kits.web.tokens.jwks_url import ASK_AGAIN_SECONDS, KEEP_SECONDS, JwksUrl
from kits.web.tokens.key_set import MAX_BYTES
from kits.web.tokens.refused_tokens import RefusedTokens
from kits.web.tokens.verifier import Identity, TokenVerifier
from tests.waiting import eventually

KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
SECRET = "a-test-secret-of-more-than-32-bytes"


def key_set(*names: str) -> bytes:
    """A key set with these keys."""
    keys = [ECAlgorithm.to_jwk(KEYS[name].public_key(), as_dict=True) | {"kid": name} for name in names]
    return json.dumps({"keys": keys}).encode()


def signed(name: str, *, kid: str | None = None) -> str:
    """A token of one of the keys."""
    claims = {"sub": "c-1", "iss": "shop", "aud": "orders", "exp": int(time.time()) + 600}
    return jwt.encode(claims, KEYS[name], algorithm="ES256", headers={"kid": kid or name})


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass(slots=True)
class Issuer:
    """An identity provider that answers as a test wishes."""

    answer: Callable[[], Awaitable[web.StreamResponse]] | None = None
    body: bytes = field(default_factory=lambda: key_set("old"))
    asked: int = 0
    url: str = ""

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        """Count and answer."""
        self.asked += 1
        return await self.answer() if self.answer else web.Response(body=self.body)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """On a free port of this machine."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json?tenant=hidden"
    yield issuer
    await runner.cleanup()


@dataclass(slots=True)
class Followed:
    """A verifier behind the issuer."""

    keys: JwksUrl
    verifier: TokenVerifier
    clock: Clock

    def accepts(self, token: str) -> bool:
        """Whether the token proves anything."""
        try:
            self.verifier.verify(token)
        except InvalidTokenError:
            return False
        return True

    async def asks_again(self) -> None:
        """As a token with an unknown key does when it is allowed to."""
        self.clock.now += ASK_AGAIN_SECONDS
        await self.verifier.newer_keys()

    async def health(self) -> CheckResult:
        """What readiness says."""
        return await self.verifier.check()


@asynccontextmanager
async def followed(url: str, *, secret: str = "") -> AsyncIterator[Followed]:
    """Started, and stopped at the end."""
    clock = Clock()
    keys = JwksUrl(url, Supervisor())
    verifier = TokenVerifier(issuer="shop", audience="orders", secret=secret, jwks_url=keys)
    with patch.object(module, "time", clock):
        await keys.start()
        try:
            yield Followed(keys, verifier, clock)
        finally:
            await keys.stop()


async def test_the_keys_are_there_after_the_start(issuer: Issuer) -> None:
    async with followed(issuer.url) as shop:
        assert shop.accepts(signed("old"))
        assert not shop.accepts(signed("new"))
        assert await shop.health() == CheckResult(Status.OK)
    assert issuer.asked == 1


async def test_a_token_with_an_unknown_key_waits_for_one_new_fetch(issuer: Issuer) -> None:
    """All that come meanwhile share it, and there is at most one in ten seconds."""
    async with followed(issuer.url) as shop:
        issuer.body = key_set("new")
        assert not shop.accepts(signed("new"))
        assert await asyncio.gather(*(shop.verifier.newer_keys() for _ in range(50))) == [True] * 50
        assert shop.accepts(signed("new"))
        assert not shop.accepts(signed("old"))
        for number in range(50):
            assert not shop.accepts(signed("new", kid=f"unknown-{number}"))
            assert not await shop.verifier.newer_keys()
    assert issuer.asked == 2


async def test_a_silent_address_holds_many_tokens_for_one_fetch(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them begins another one when its turn comes."""
    async with followed(issuer.url) as shop:
        monkeypatch.setattr(shop.keys._session, "_timeout", ClientTimeout(total=0.2))
        issuer.answer = silence
        assert await asyncio.gather(*(shop.verifier.newer_keys() for _ in range(50))) == [False] * 50
    assert issuer.asked == 2


async def test_before_the_start_and_after_the_stop_nothing_is_asked(issuer: Issuer) -> None:
    """A token that names an unknown key then is refused like any other."""
    async with followed(issuer.url) as shop:
        pass
    assert not await shop.verifier.newer_keys()
    assert not await JwksUrl(issuer.url, Supervisor()).newer()
    assert issuer.asked == 1


async def test_a_request_whose_key_is_new_is_served_at_once(issuer: Issuer) -> None:
    """The door fetches for it and goes on; nobody has to send it again."""
    seen: list[Identity] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["auth"])

    async def unused(*_args: Any) -> Any:
        raise AssertionError("nothing is read or sent here")

    async with followed(issuer.url) as shop:
        issuer.body = key_set("old", "new")
        door = BearerAuth(app, shop.verifier, RefusedTokens(Metrics()))
        header = (b"authorization", b"Bearer " + signed("new").encode())
        scope: Any = {"type": "http", "method": "GET", "headers": [header]}
        await door(scope, unused, unused)
        assert [identity.subject for identity in seen] == ["c-1"]
        scope["headers"] = [(b"authorization", b"Bearer " + signed("new", kid="unknown").encode())]
        with pytest.raises(ProblemError) as refused:
            await door(scope, unused, unused)
    assert refused.value.code == "invalid_token"


async def test_a_removed_key_ends_its_remembered_tokens(issuer: Issuer) -> None:
    async with followed(issuer.url) as shop:
        token = signed("old")
        assert shop.accepts(token)
        issuer.body = key_set("new")
        await shop.asks_again()
        assert not shop.accepts(token)


async def test_it_is_asked_again_by_itself(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.02)
    async with followed(issuer.url) as shop:
        issuer.body = key_set("new")
        await eventually(lambda: shop.accepts(signed("new")))


def private() -> bytes:
    return json.dumps({"keys": [ECAlgorithm.to_jwk(KEYS["old"], as_dict=True) | {"kid": "old"}]}).encode()


async def redirect() -> web.StreamResponse:
    raise web.HTTPFound("/elsewhere.json")


async def failure() -> web.StreamResponse:
    return web.Response(status=500)


async def compressed() -> web.StreamResponse:
    response = web.Response(body=key_set("new"))
    response.headers["Content-Encoding"] = "br"
    return response


async def cut_off() -> web.StreamResponse:
    return web.Response(body=key_set("new")[:50])


async def endless() -> web.StreamResponse:
    return web.Response(body=key_set("new") + b" " * (MAX_BYTES + 1))


async def private_key() -> web.StreamResponse:
    return web.Response(body=private())


async def silence() -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


FAULTS: dict[Callable[[], Awaitable[web.StreamResponse]], str] = {
    redirect: "it answers 302 (redirects are not followed)",
    failure: "it answers 500",
    compressed: "content encoding",
    cut_off: "not a readable JSON Web Key Set",
    endless: "larger than",
    private_key: "private key",
    silence: "no answer within",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bad_answer_leaves_the_keys_for_a_day_and_is_told_once(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], Awaitable[web.StreamResponse]]
) -> None:
    """Degraded first, then unready; the address's query, which may be a secret, is nowhere."""
    async with followed(issuer.url) as shop:
        if fault is silence:
            monkeypatch.setattr(shop.keys._session, "_timeout", ClientTimeout(total=0.2))
        issuer.answer = fault
        with capture_logs() as logs:
            for _ in range(3):
                await shop.asks_again()
        assert [line["event"] for line in logs] == ["token_keys_refused"]
        assert FAULTS[fault] in logs[0]["reason"]
        assert shop.accepts(signed("old"))
        degraded = await shop.health()
        shop.clock.now += KEEP_SECONDS
        assert not shop.accepts(signed("old"))
        unready = await shop.health()
        issuer.answer = None
        await shop.asks_again()
        assert shop.accepts(signed("old"))
        assert (await shop.health()).status is Status.OK
    assert (degraded.status, unready.status) == (Status.DEGRADED, Status.UNREADY)
    assert FAULTS[fault] in degraded.detail
    assert unready.detail.startswith("No key verifies tokens. JWT_JWKS_URL http://127.0.0.1:")
    assert "hidden" not in f"{degraded}{unready}{logs}"


async def test_an_address_that_is_away_at_the_start_stops_no_start(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not ready, since nothing can be verified, until it answers; it is tried again within a second or so."""
    monkeypatch.setattr(module, "_SHORTEST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "_RETRY", Backoff(0.01, 0.01))
    issuer.answer = failure
    async with followed(issuer.url) as shop:
        assert (await shop.health()).status is Status.UNREADY
        assert not shop.accepts(signed("old"))
        issuer.answer = None
        await eventually(lambda: shop.accepts(signed("old")))
        assert (await shop.health()).status is Status.OK


async def test_a_secret_beside_it_keeps_verifying(issuer: Issuer) -> None:
    """What is configured counts together; the address alone is degraded."""
    issuer.answer = failure
    async with followed(issuer.url, secret=SECRET) as shop:
        claims = {"sub": "c-1", "iss": "shop", "aud": "orders", "exp": int(time.time()) + 600}
        assert shop.accepts(jwt.encode(claims, SECRET))
        assert (await shop.health()).status is Status.DEGRADED


async def test_without_an_address_nothing_is_started() -> None:
    async with followed("", secret=SECRET) as shop:
        assert not await shop.verifier.newer_keys()
        assert shop.keys._session is None
        assert await shop.health() == CheckResult(Status.OK)
