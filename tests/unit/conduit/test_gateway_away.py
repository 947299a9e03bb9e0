"""Services that are away: what does not need them is answered, the rest at once, and nobody else suffers."""

from typing import Any

import pytest

from conduit.gateway.backend import begin_deadline, forget_deadline
from kits.rpc.deadlines import seconds_left
from kits.rpc.errors import RpcError, RpcOverloadedError
from tests.integration.api.raw import exchanges, message
from tests.unit.conduit.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOGIN = {"user": {"email": "ada@example.com", "password": "password123"}}


async def test_while_profiles_is_away_articles_are_told_without_it(gateway: Gateway) -> None:
    """`following` is null, and `errors` beside the article says why; nothing else is missing."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    slug = await gateway.article(other)
    said = {"comment": {"body": "x"}}
    await gateway.ask("POST", f"/api/articles/{slug}/comments", said, token=other)
    gateway.behind.away = {"profiles"}
    for path, places in (
        ("/api/articles", ["articles", 0]),
        (f"/api/articles/{slug}", ["article"]),
        (f"/api/articles/{slug}/comments", ["comments", 0]),
    ):
        reply = await gateway.ask("GET", path, token=token)
        assert reply.status == 200
        found = reply.json
        for place in places:
            found = found[place]
        assert found["author"]["following"] is None
        assert list(reply.json["errors"]) == ["profiles"]
        assert "errors" not in (await gateway.ask("GET", path)).json
    assert (await gateway.ask("POST", "/api/users/login", LOGIN)).status == 200
    assert (await gateway.ask("GET", "/api/user", token=token)).status == 200
    assert (await gateway.ask("POST", f"/api/articles/{slug}/favorite", token=token)).status == 200


@pytest.mark.parametrize(
    ("service", "method", "path", "body"),
    [
        ("auth", "POST", "/api/users/login", LOGIN),
        ("auth", "GET", "/api/user", None),
        ("articles", "GET", "/api/articles", None),
        ("articles", "GET", "/api/tags", None),
        ("articles", "DELETE", "/api/articles/x", None),
        ("profiles", "GET", "/api/profiles/ben", None),
        ("profiles", "GET", "/api/articles/feed", None),
    ],
)
async def test_what_needs_a_service_that_is_away_is_503_and_names_it(
    gateway: Gateway, service: str, method: str, path: str, body: Any
) -> None:
    """After five times nothing is sent any more, and the probe that is answered ends that."""
    token = await gateway.user("ada")
    gateway.behind.away = {service}
    for _ in range(5):
        reply = await gateway.ask(method, path, body, token=token)
        assert (reply.status, list(reply.json["errors"])) == (503, [service])
        assert reply.headers["retry-after"] == "1"
    gateway.behind.sent.clear()
    breaker = getattr(gateway.container, service)()._breaker
    breaker._not_before += 1_000
    reply = await gateway.ask(method, path, body, token=token)
    assert (reply.status, list(reply.json["errors"])) == (503, [service])
    assert "was not asked" in reply.json["errors"][service][0]
    assert gateway.behind.sent == []
    ready = await gateway.ready()
    assert ready["status"] == "degraded"
    assert ready["checks"][service]["status"] == "degraded"
    gateway.behind.away = set()
    breaker._not_before = 0.0
    assert (await gateway.ask(method, path, body, token=token)).status in {200, 404}
    assert (await gateway.ready())["status"] == "ok"


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        (RpcError(503, "storage_unavailable", "The database does not answer."), "articles"),
        (RpcError(503, "service_unavailable", "auth did not answer.", "auth"), "auth"),
        (RpcError(500, "internal_error", "The service failed."), "articles"),
        (RpcError(502, "unreadable_reply", "The reply is odd."), "articles"),
        (RpcOverloadedError("get_tags", "too much"), "articles"),
    ],
)
async def test_a_service_in_trouble_is_503(gateway: Gateway, failure: RpcError, named: str) -> None:
    """It names the service whose trouble it is, and nothing of its inside."""
    gateway.behind.failure = failure
    reply = await gateway.ask("GET", "/api/tags")
    assert (reply.status, list(reply.json["errors"])) == (503, [named])


async def test_rules_of_a_service_that_the_gateway_does_not_know_are_422(gateway: Gateway) -> None:
    """Of two versions side by side one may be stricter."""
    token = await gateway.user("ada")
    gateway.behind.failure = RpcError(422, "unreadable_request", "Expected `str`", "$.title")
    article = {"article": {"title": "t", "description": "d", "body": "b"}}
    reply = await gateway.ask("POST", "/api/articles", article, token=token)
    assert (reply.status, reply.json) == (422, {"errors": {"title": ["is invalid"]}})


async def test_all_that_one_request_asks_ends_by_one_deadline(gateway: Gateway) -> None:
    """Three seconds for all; one for what only decorates."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    await gateway.article(other)
    gateway.behind.timeouts.clear()
    await gateway.ask("GET", "/api/articles", token=token)
    assert gateway.behind.timeouts == [3.0, 1.0]


async def test_requests_of_one_connection_have_a_deadline_each(gateway: Gateway) -> None:
    """Also those that are sent before the answer to the first one has come."""
    replies = await exchanges(gateway.port, message("GET", "/api/tags") * 3, 3)
    assert [reply.status for reply in replies] == [200] * 3
    found = gateway.behind.deadlines
    assert None not in found
    assert len(set(found)) == 3


async def test_the_deadline_of_a_request_begins_with_its_first_question() -> None:
    """A later one does not move it; another request has its own."""
    forget_deadline()
    begin_deadline(30.0)
    begin_deadline(60.0)
    assert 20.0 < seconds_left() <= 30.0
    forget_deadline()
    assert seconds_left() == float("inf")
