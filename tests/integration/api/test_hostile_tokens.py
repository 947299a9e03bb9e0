"""Hostile tokens over HTTP: whatever their bytes are, each is a 401 problem, counted, and hardly logged.

HOSTILE_SEED repeats a run of the made-up ones.
"""

import base64
import hmac
import json
import os
import random
import time

import pytest
from structlog.testing import capture_logs

from kits.web.tokens.claims import TokenFault
from tests.integration.api.conftest import Shop
from tests.integration.api.raw import exchange, exchanges, message
from tests.unit.api.in_memory_shop import AUDIENCE, ISSUER, SECRET, a_token
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MADE_UP = 300
PER_CONNECTION = 25
HEADER = {"alg": '"HS256"', "typ": '"JWT"'}
NO_ALGORITHM = ["null", '""', '"none"', '"hs256"', '"HS384"', '"RS256"', '"ES256K"', '"dir"']
CLAIMS = {"sub": '"c-1"', "iss": f'"{ISSUER}"', "aud": f'"{AUDIENCE}"', "exp": str(int(time.time()) + 86_400)}
NO_TEXT = ["true", "0", "-1", "1.5", "[]", '["HS256"]', "{}", '{"a":1}', "9" * 4400, "1e308", "1e400"]
NO_JSON = ["NaN", "Infinity", "-Infinity", "", "+1", "01", "0x1", "'a'", '"', "[" * 2000, '{"a":' * 1000]
NO_JSON += ['"\\ud800"', '"\\x"', '"a\nb"', "nul", "1e", "-", "{]", "\ufeff1"]
NO_TIME = ["true", "null", '"123"', '"soon"', "[]", "{}", "[1]", "-1", "-1e308", "1e308", "1e400", "9" * 4400]
NO_TIME += ["253402300800", "9223372036854775808", "-0.5", '"1e9"']


def segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def signed(header: bytes, payload: bytes) -> str:
    """A token of these bytes, rightly signed: the way to the claims is open."""
    message = f"{segment(header)}.{segment(payload)}"
    return f"{message}.{segment(hmac.digest(SECRET.encode(), message.encode(), 'sha256'))}"


def of(members: dict[str, str]) -> bytes:
    """A JSON object of members that are JSON, or shall be taken for it."""
    return b"{" + ",".join(f'"{name}":{value}' for name, value in members.items()).encode() + b"}"


def with_header(name: str, value: str) -> str:
    return signed(of(HEADER | {name: value}), of(CLAIMS))


def with_claim(name: str, value: str) -> str:
    return signed(of(HEADER), of(CLAIMS | {name: value}))


def without_claim(name: str) -> str:
    return signed(of(HEADER), of({one: value for one, value in CLAIMS.items() if one != name}))


TOKENS = {
    **{f"alg {value[:9]}": with_header("alg", value) for value in [*NO_TEXT, *NO_JSON, *NO_ALGORITHM]},
    **{f"kid {value[:9]}": with_header("kid", value) for value in [*NO_TEXT, *NO_JSON]},
    **{f"typ {value[:9]}": with_header("typ", value) for value in [*NO_TEXT, *NO_JSON]},
    **{
        f"{name} {value}": with_header(name, value)
        for name in ("crit", "zip", "enc")
        for value in ("[]", '["exp"]', '["b64"]', '"DEF"', "null", "{}", "7")
    },
    **{f"b64 {value}": with_header("b64", value) for value in ("false", "null", "0", '"false"', "[]")},
    **{f"unknown member {value[:9]}": with_header("x", value) for value in NO_JSON},
    **{f"{name} missing": without_claim(name) for name in CLAIMS},
    **{f"{name} null": with_claim(name, "null") for name in CLAIMS},
    **{f"sub {value[:9]}": with_claim("sub", value) for value in [*NO_TEXT, *NO_JSON, '""', '"a\\u0000"']},
    **{f"sub of {len(text)}": with_claim("sub", json.dumps(text)) for text in ("x" * 256, "\u202e", "a\n")},
    **{f"iss {value[:9]}": with_claim("iss", value) for value in [*NO_TEXT, *NO_JSON, f'["{ISSUER}"]']},
    **{f"aud {value[:9]}": with_claim("aud", value) for value in [*NO_TEXT, *NO_JSON, '{"orders":1}']},
    **{f"aud {value}": with_claim("aud", value) for value in ('["orders",7]', '[["orders"]]', "[null]")},
    **{f"exp {value[:9]}": with_claim("exp", value) for value in [*NO_TIME, *NO_JSON, "0"]},
    **{f"nbf {value[:9]}": with_claim("nbf", value) for value in [*NO_TIME, *NO_JSON]},
    **{f"iat {value[:9]}": with_claim("iat", value) for value in [*NO_TIME, *NO_JSON]},
    **{f"scope {value[:9]}": with_claim("scope", value) for value in NO_JSON},
    **{f"claims {value[:9]}": signed(of(HEADER), value.encode()) for value in [*NO_TEXT, *NO_JSON, "null"]},
    **{f"header {value[:9]}": signed(value.encode(), of(CLAIMS)) for value in [*NO_TEXT, *NO_JSON, "null"]},
    "a token in a token": signed(of(HEADER | {"cty": '"JWT"'}), a_token().encode()),
    "bad utf-8 in the header": signed(b'{"alg":"HS256","kid":"\xff"}', of(CLAIMS)),
    "bad utf-8 in a claim": signed(of(HEADER), of(CLAIMS | {"sub": '"c-1?"'}).replace(b"?", b"\xff")),
    "utf-16": signed(of(HEADER), of(CLAIMS).decode().encode("utf-16")),
    "a byte order mark": signed(b"\xef\xbb\xbf" + of(HEADER), of(CLAIMS)),
    "encrypted": ".".join(["e30"] * 5),
    "dots alone": "." * 1000,
    "no header": "." + a_token().partition(".")[2],
    "no signature": a_token().rpartition(".")[0] + ".",
    "a signature twice": a_token() + "." + a_token().rpartition(".")[2],
    "padding too much": a_token() + "====",
    "latin letters": "\xe9.\xe9.\xe9",
    "ever so long": a_token() + "A" * 7000,
}


def made_up(rng: random.Random) -> str:
    """A good token, damaged somewhere, or objects of random members, rightly signed."""
    token = a_token()
    place = rng.randrange(len(token))
    letter = chr(rng.choice([*range(0x21, 0x3D), *range(0x3E, 0x7F), *range(0xA1, 0x100)]))
    kind = rng.randrange(4)
    if kind == 0:
        return token[:place] + token[place + 1 :]
    if kind == 1:
        return token[:place] + letter + token[place:]
    if kind == 2:
        return token[:place] + letter + token[place + 1 :] if token[place] != letter else token[:place]
    header, claims = dict(HEADER), dict(CLAIMS)
    for members in (header, claims):
        for name in rng.sample(sorted(members), rng.randint(0, 2)):
            members[name] = rng.choice(NO_JSON)
    claims[rng.choice(sorted(CLAIMS))] = rng.choice([value for value in NO_TIME if value[0] != '"'])
    # Cut where the whole head would be refused before the token is looked at.
    return signed(of(header), of(claims))[:12_000]


def request(token: str) -> bytes:
    return message("GET", "/orders/x", authorization=f"Bearer {token}")


async def require_refused(shop: Shop, tokens: dict[str, str]) -> None:
    """Each is 401, with the problem and the challenge."""
    names = list(tokens)
    for first in range(0, len(names), PER_CONNECTION):
        some = names[first : first + PER_CONNECTION]
        sent = b"".join(request(tokens[name]) for name in some)
        for name, reply in zip(some, await exchanges(shop.port, sent, len(some)), strict=True):
            assert (reply.status, reply.problem()["code"]) == (401, "invalid_token"), (name, tokens[name])
            assert reply.problem()["traceId"]
            assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"'), name


async def test_a_hostile_token_is_401_and_never_a_traceback(shop: Shop) -> None:
    """Hundreds of them leave a line per reason, not one per request."""
    with capture_logs() as logs:
        await require_refused(shop, TOKENS)
    assert [line for line in logs if line["log_level"] == "error" or line.get("exc_info")] == []
    told = [line["reason"] for line in logs if line["event"] == "tokens_refused"]
    assert len(told) == len(set(told)) >= 5
    assert TokenFault.UNEXPECTED.value not in told


async def test_a_made_up_token_is_401(shop: Shop) -> None:
    """Damaged anywhere, or rightly signed nonsense."""
    seed = int(os.environ.get("HOSTILE_SEED") or time.time_ns() % 2**32)
    rng = random.Random(seed)  # noqa: S311 - made-up tokens, to be made again from the seed
    await require_refused(shop, {f"seed {seed}, number {n}": made_up(rng) for n in range(MADE_UP)})


async def test_refused_tokens_are_counted_by_reason(shop: Shop) -> None:
    """All reasons are there from the start, so that a rate can be asked for."""

    async def counts() -> dict[str, float]:
        text = (await exchange(shop.ops_port, message("GET", "/metrics"))).body.decode()
        lines = [line for line in text.splitlines() if line.startswith("tokens_refused_total{")]
        return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}

    before = await counts()
    assert before.keys() == {fault.value for fault in TokenFault}
    await exchanges(shop.port, request(a_token(issuer="other")) * 3 + request("a.b.c") + request(""), 5)

    async def grown() -> bool:
        after = await counts()
        changes = {reason: after[reason] - before[reason] for reason in after}
        found = {reason: change for reason, change in changes.items() if change}
        return found == {"wrong_issuer": 3, "malformed": 1, "no_bearer": 1}

    # The page may be a second old.
    await eventually(grown)
