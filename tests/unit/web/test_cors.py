"""CORS: whose pages a browser lets read the answers, preflights and problems included."""

from typing import Any

import pytest
from litestar import Litestar

from app.main import create_app
from app.settings import CorsSettings
from kits.web.middleware.cors import read_origins
from tests.unit.api.in_memory_shop import InMemoryShop, a_token, container_of

SHOP = "https://shop.example"
GRANT = "access-control-allow-origin"


def app_for(origins: str) -> Litestar:
    return create_app(container_of(InMemoryShop(), cors=origins))


LISTED = app_for(f"{SHOP}, http://localhost:3000")
EVERYBODY = app_for("*")
NOBODY = app_for("")


async def ask(app: Litestar, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer, without a socket."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope: Any = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": named,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "state": {},
    }  # fmt: skip
    started: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        started.append(message)

    await app(scope, receive, send)
    answered: dict[str, str] = {}
    for name, value in started[0]["headers"]:
        assert name.decode() not in answered
        answered[name.decode()] = value.decode()
    return started[0]["status"], answered


async def preflight(app: Litestar, path: str, method: str, origin: str = SHOP) -> tuple[int, dict[str, str]]:
    """What a browser asks before it sends anything unusual."""
    return await ask(
        app, "OPTIONS", path, origin=origin, access_control_request_method=method,
        access_control_request_headers="authorization,content-type,idempotency-key",
    )  # fmt: skip


async def test_a_preflight_of_a_listed_origin_is_granted_what_the_path_has() -> None:
    status, headers = await preflight(LISTED, "/orders", "POST")
    assert (status, headers[GRANT], headers["vary"]) == (204, SHOP, "Origin")
    assert headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS, POST"
    sent = set(headers["access-control-allow-headers"].split(", "))
    assert {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match"} <= sent
    assert headers["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://shop.example.evil", "http://shop.example", "null", f"{SHOP}:8443", "é"],
)
async def test_another_origin_is_granted_nothing(origin: str) -> None:
    for status, headers in (
        await preflight(LISTED, "/orders", "POST", origin),
        await ask(LISTED, "GET", "/products/p-1", origin=origin),
    ):
        assert status in {200, 204}
        assert headers["vary"] == "Origin"
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/p-1", 200),
        ("GET", "/products/p-99", 404),
        ("GET", "/orders", 401),
        ("GET", "/nothing", 404),
        ("PUT", "/orders", 405),
        ("GET", "/docs", 200),
    ],
)
async def test_answers_and_problems_can_be_read_with_what_their_headers_say(
    method: str, path: str, status: int
) -> None:
    answered, headers = await ask(LISTED, method, path, origin=SHOP)
    assert (answered, headers[GRANT], headers["vary"]) == (status, SHOP, "Origin")
    shown = set(headers["access-control-expose-headers"].split(", "))
    assert {"location", "etag", "retry-after", "idempotency-replayed"} <= shown


async def test_a_refusal_outside_of_the_router_can_be_read_too() -> None:
    named = {"origin": SHOP, "authorization": f"Bearer {a_token()}", "content_length": "9000000"}
    status, headers = await ask(LISTED, "POST", "/orders", **named)
    assert (status, headers[GRANT]) == (413, SHOP)


async def test_an_answer_to_nobody_in_particular_varies_by_origin_too() -> None:
    """Or a cache would give it to a page that could not read it."""
    _, headers = await ask(LISTED, "GET", "/products/p-1")
    assert headers["vary"] == "Origin"
    assert GRANT not in headers


async def test_everybody_is_granted_without_credentials() -> None:
    for _, headers in (
        await preflight(EVERYBODY, "/orders", "POST", "https://any.example"),
        await ask(EVERYBODY, "GET", "/products/p-1", origin="null", cookie="a=b"),
        await ask(EVERYBODY, "GET", "/products/p-1"),
    ):
        assert headers[GRANT] == "*"
        assert not {"vary", "access-control-allow-credentials"} & set(headers)


async def test_it_is_off_unless_set() -> None:
    for _, headers in (
        await preflight(NOBODY, "/orders", "POST"),
        await ask(NOBODY, "GET", "/products/p-1", origin=SHOP),
    ):
        assert not [name for name in headers if name.startswith("access-control") or name == "vary"]


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", set()),
        (" , ", set()),
        ("*", {"*"}),
        ("HTTPS://Shop.Example, http://localhost:3000,", {SHOP, "http://localhost:3000"}),
        ("http://[::1]:3000,capacitor://localhost", {"http://[::1]:3000", "capacitor://localhost"}),
    ],
)
def test_a_list_of_origins_is_read_as_browsers_send_them(text: str, origins: set[str]) -> None:
    assert read_origins(text) == origins
    assert CorsSettings(allow_origins=text).problems() == []


@pytest.mark.parametrize(
    "text",
    [
        f"*,{SHOP}", "shop.example", f"{SHOP}/", f"{SHOP}/shop", "null", f"{SHOP}:443", "**",
        f"{SHOP};https://b.example", "https://*.shop.example", "https://a@shop.example", f"{SHOP}\n{SHOP}",
        "http://shop.example:80",
    ],
)  # fmt: skip
def test_what_no_browser_sends_stops_the_start(text: str) -> None:
    (problem,) = CorsSettings(allow_origins=text).problems()
    assert problem.startswith("CORS_ALLOW_ORIGINS: `")
