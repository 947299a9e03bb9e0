"""The gateway's REST door over services in memory: RealWorld's fields, statuses and refusals."""

from typing import Any

import pytest

from tests.integration.api.raw import message
from tests.unit.conduit.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_user_registers_logs_in_and_changes(gateway: Gateway) -> None:
    """The token of each answer is good, and a change keeps it."""
    token = await gateway.user("ada")
    login = {"user": {"email": "ada@example.com", "password": "password123"}}
    reply = await gateway.ask("POST", "/api/users/login", login)
    assert reply.status == 200
    shown = reply.json["user"]
    assert shown.keys() == {"email", "token", "username", "bio", "image"}
    assert (shown["bio"], shown["image"]) == (None, None)
    changed = await gateway.ask("PUT", "/api/user", {"user": {"bio": "I walk.", "image": ""}}, token=token)
    assert changed.json["user"] == {**shown, "token": token, "bio": "I walk."}
    seen = await gateway.ask("GET", "/api/user", authorization=f"Bearer {token}")
    assert seen.json == changed.json
    assert (await gateway.ask("PUT", "/api/user", {"user": {"bio": None}}, token=token)).json["user"][
        "bio"
    ] is None


async def test_an_article_lives(gateway: Gateway) -> None:
    """Created, found, changed, favoured, commented on, deleted."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    slug = await gateway.article(token, "A walk", tagList=["hills", "up"])
    article = (await gateway.ask("GET", f"/api/articles/{slug}")).json["article"]
    assert article == {
        "slug": slug,
        "title": "A walk",
        "description": "d",
        "body": "b",
        "tagList": ["hills", "up"],
        "createdAt": "2026-11-28T12:00:01.123Z",
        "updatedAt": "2026-11-28T12:00:01.123Z",
        "favorited": False,
        "favoritesCount": 0,
        "author": {"username": "ada", "bio": None, "image": None, "following": False},
    }
    changed = await gateway.ask("PUT", f"/api/articles/{slug}", {"article": {"tagList": []}}, token=token)
    assert (changed.json["article"]["tagList"], changed.json["article"]["body"]) == ([], "b")
    favored = await gateway.ask("POST", f"/api/articles/{slug}/favorite", token=other)
    assert (favored.status, favored.json["article"]["favorited"]) == (200, True)
    listed = (await gateway.ask("GET", "/api/articles?favorited=ben")).json
    assert listed["articlesCount"] == 1
    assert "body" not in listed["articles"][0]
    assert (await gateway.ask("DELETE", f"/api/articles/{slug}/favorite", token=other)).json["article"][
        "favoritesCount"
    ] == 0
    said = await gateway.ask(
        "POST", f"/api/articles/{slug}/comments", {"comment": {"body": "Yes."}}, token=other
    )
    assert said.status == 201
    comment = said.json["comment"]
    assert comment.keys() == {"id", "createdAt", "updatedAt", "body", "author"}
    assert (await gateway.ask("GET", f"/api/articles/{slug}/comments")).json == {"comments": [comment]}
    gone = await gateway.ask("DELETE", f"/api/articles/{slug}/comments/{comment['id']}", token=other)
    assert (gone.status, gone.body) == (204, b"")
    assert (await gateway.ask("DELETE", f"/api/articles/{slug}", token=token)).status == 204
    assert (await gateway.ask("GET", f"/api/articles/{slug}")).json == {"errors": {"article": ["not found"]}}


async def test_who_follows_has_a_feed(gateway: Gateway) -> None:
    """Profiles knows whom, articles knows what; nobody follows himself."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    await gateway.article(other, "One", tagList=["t"])
    await gateway.article(other, "Two")
    await gateway.article(token, "Mine")
    assert (await gateway.ask("GET", "/api/articles/feed", token=token)).json == {
        "articles": [],
        "articlesCount": 0,
    }
    followed = await gateway.ask("POST", "/api/profiles/ben/follow", token=token)
    assert followed.json == {"profile": {"username": "ben", "bio": None, "image": None, "following": True}}
    feed = (await gateway.ask("GET", "/api/articles/feed?limit=1&offset=1", token=token)).json
    assert (feed["articlesCount"], [each["title"] for each in feed["articles"]]) == (2, ["One"])
    assert feed["articles"][0]["author"]["following"] is True
    page = (await gateway.ask("GET", "/api/articles?limit=3", token=token)).json
    seen = [(each["author"]["username"], each["author"]["following"]) for each in page["articles"]]
    assert seen == [("ada", False), ("ben", True), ("ben", True)]
    assert (await gateway.ask("GET", "/api/articles?tag=t&author=ben")).json["articlesCount"] == 1
    assert (await gateway.ask("GET", "/api/tags")).json == {"tags": ["t"]}
    assert (await gateway.ask("DELETE", "/api/profiles/ben/follow", token=token)).json["profile"][
        "following"
    ] is False
    assert (await gateway.ask("GET", "/api/profiles/ben")).json["profile"]["following"] is False


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/user"),
        ("PUT", "/api/user"),
        ("POST", "/api/articles"),
        ("GET", "/api/articles/feed"),
        ("PUT", "/api/articles/x"),
        ("DELETE", "/api/articles/x"),
        ("POST", "/api/articles/x/favorite"),
        ("DELETE", "/api/articles/x/favorite"),
        ("POST", "/api/articles/x/comments"),
        ("DELETE", "/api/articles/x/comments/1"),
        ("POST", "/api/profiles/x/follow"),
        ("DELETE", "/api/profiles/x/follow"),
    ],
)
async def test_what_needs_somebody_says_that_the_token_is_missing(
    gateway: Gateway, method: str, path: str
) -> None:
    """Before anything else of the request is looked at; no service is asked."""
    reply = await gateway.ask(method, path)
    assert (reply.status, reply.json) == (401, {"errors": {"token": ["is missing"]}})
    assert reply.headers["www-authenticate"] == "Token"
    assert gateway.behind.sent == []


@pytest.mark.parametrize(
    "path", ["/api/user", "/api/articles", "/api/articles/x", "/api/profiles/x", "/api/articles/x/comments"]
)
@pytest.mark.parametrize("value", ["Token abc", "Basic eDp5", "Token", "Bearer  "])
async def test_a_bad_token_is_refused_also_where_none_is_needed(
    gateway: Gateway, path: str, value: str
) -> None:
    """Whoever believes to be somebody is told, instead of being treated as nobody."""
    reply = await gateway.ask("GET", path, authorization=value)
    assert (reply.status, reply.json) == (401, {"errors": {"token": ["is invalid"]}})


async def test_the_token_of_a_user_that_is_gone_is_invalid(gateway: Gateway) -> None:
    """It is signed, and names nobody."""
    token = await gateway.user("ada")
    gateway.behind.users.clear()
    article = {"article": {"title": "t", "description": "d", "body": "b"}}
    for method, path, body in (
        ("GET", "/api/user", None),
        ("PUT", "/api/user", {"user": {"bio": "x"}}),
        ("POST", "/api/articles", article),
    ):
        reply = await gateway.ask(method, path, body, token=token)
        assert (reply.status, reply.json) == (401, {"errors": {"token": ["is invalid"]}})


_BLANK = "can't be blank"


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({}, {"username": [_BLANK], "email": [_BLANK], "password": [_BLANK]}),
        (
            {"username": "", "email": None, "password": "short7c"},
            {"username": [_BLANK], "email": [_BLANK], "password": ["is too short (minimum is 8 characters)"]},
        ),
        (
            {"username": "a" * 65, "email": "no address", "password": "p" * 129},
            {
                "username": ["is too long (maximum is 64 characters)"],
                "email": ["is invalid"],
                "password": ["is too long (maximum is 128 characters)"],
            },
        ),
        (
            {"username": 5, "email": ["x"], "password": {"a": 1}},
            {"username": ["is invalid"], "email": ["is invalid"], "password": ["is invalid"]},
        ),
        (
            {"username": "a\nb", "email": "a@b", "password": "password123"},
            {"username": ["is invalid"]},
        ),
        ({"username": "  ", "email": "a@b", "password": "password123"}, {"username": [_BLANK]}),
    ],
)
async def test_all_that_is_wrong_with_a_registration_is_told_at_once(
    gateway: Gateway, sent: Any, errors: Any
) -> None:
    """By field, in the words that RealWorld's clients show; auth is not asked."""
    reply = await gateway.ask("POST", "/api/users", {"user": sent})
    assert (reply.status, reply.json) == (422, {"errors": errors})
    assert gateway.behind.sent == []


@pytest.mark.parametrize(
    ("method", "path", "sent", "errors"),
    [
        ("PUT", "/api/user", {"user": {"email": ""}}, {"email": [_BLANK]}),
        ("PUT", "/api/user", {"user": {"email": None}}, {"email": [_BLANK]}),
        (
            "PUT",
            "/api/user",
            {"user": {"username": None, "password": ""}},
            {"username": [_BLANK], "password": [_BLANK]},
        ),
        (
            "PUT",
            "/api/user",
            {"user": {"bio": "b" * 5001}},
            {"bio": ["is too long (maximum is 5000 characters)"]},
        ),
        (
            "POST",
            "/api/articles",
            {"article": {}},
            {"title": [_BLANK], "description": [_BLANK], "body": [_BLANK]},
        ),
        (
            "POST",
            "/api/articles",
            {"article": {"title": "t", "description": "d", "body": "b", "tagList": ["x"] * 31}},
            {"tagList": ["has too many items (maximum is 30)"]},
        ),
        (
            "POST",
            "/api/articles",
            {"article": {"title": "t", "description": "d", "body": "b\x00", "tagList": ["", "x" * 51]}},
            {"body": ["is invalid"], "tagList": [_BLANK]},
        ),
        ("PUT", "/api/articles/x", {"article": {"tagList": None}}, {"tagList": [_BLANK]}),
        ("PUT", "/api/articles/x", {"article": {"title": ""}}, {"title": [_BLANK]}),
        ("POST", "/api/articles/x/comments", {"comment": {"body": ""}}, {"body": [_BLANK]}),
        ("POST", "/api/articles", {}, {"article": [_BLANK]}),
        ("POST", "/api/articles", {"article": None}, {"article": [_BLANK]}),
        ("POST", "/api/articles", {"article": [1]}, {"article": ["is invalid"]}),
        ("POST", "/api/articles", [], {"body": ["is invalid"]}),
    ],
)  # fmt: skip
async def test_what_breaks_a_rule_is_422_by_field(
    gateway: Gateway, method: str, path: str, sent: Any, errors: Any
) -> None:
    """Nothing of it reaches a service."""
    token = await gateway.user("ada")
    gateway.behind.sent.clear()
    reply = await gateway.ask(method, path, sent, token=token)
    assert (reply.status, reply.json) == (422, {"errors": errors})
    assert gateway.behind.sent == []


async def test_whole_objects_may_be_sent_back(gateway: Gateway) -> None:
    """Fields that RealWorld does not read say nothing, as its front ends expect."""
    token = await gateway.user("ada")
    slug = await gateway.article(token)
    article = (await gateway.ask("GET", f"/api/articles/{slug}")).json["article"]
    reply = await gateway.ask(
        "PUT", f"/api/articles/{slug}", {"article": {**article, "body": "new"}}, token=token
    )
    assert (reply.status, reply.json["article"]["body"]) == (200, "new")


async def test_refusals_of_services_keep_their_status_and_words(gateway: Gateway) -> None:
    """401, 403, 404, 409 and 422, each by the field that the service names."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    slug = await gateway.article(token)
    said = {"comment": {"body": "x"}}
    await gateway.ask("POST", f"/api/articles/{slug}/comments", said, token=token)
    wrong = {"user": {"email": "ada@example.com", "password": "wrong password"}}
    twin = {"user": {"username": "ada", "email": "new@example.com", "password": "password123"}}
    change = {"article": {"body": "x"}}
    expected: list[tuple[str, str, Any, int, Any]] = [
        ("POST", "/api/users/login", wrong, 401, {"credentials": ["invalid"]}),
        ("POST", "/api/users", twin, 409, {"username": ["has already been taken"]}),
        ("PUT", "/api/user", {"user": {"username": "ada"}}, 409, {"username": ["has already been taken"]}),
        ("PUT", f"/api/articles/{slug}", change, 403, {"article": ["forbidden"]}),
        ("DELETE", f"/api/articles/{slug}", None, 403, {"article": ["forbidden"]}),
        ("DELETE", f"/api/articles/{slug}/comments/1", None, 403, {"comment": ["forbidden"]}),
        ("DELETE", f"/api/articles/{slug}/comments/99999", None, 404, {"comment": ["not found"]}),
        ("DELETE", f"/api/articles/{slug}/comments/{'9' * 27}", None, 404, {"comment": ["not found"]}),
        ("DELETE", f"/api/articles/{slug}/comments/x", None, 404, {"comment": ["not found"]}),
        ("PUT", "/api/articles/none", change, 404, {"article": ["not found"]}),
        ("POST", "/api/articles/none/comments", said, 404, {"article": ["not found"]}),
        ("GET", "/api/articles/none/comments", None, 404, {"article": ["not found"]}),
        ("POST", "/api/articles/none/favorite", None, 404, {"article": ["not found"]}),
        ("GET", "/api/profiles/none", None, 404, {"profile": ["not found"]}),
        ("POST", "/api/profiles/none/follow", None, 404, {"profile": ["not found"]}),
        ("POST", "/api/profiles/ben/follow", None, 422, {"profile": ["is yourself"]}),
        ("GET", f"/api/articles/{'s' * 251}", None, 404, {"article": ["not found"]}),
        ("GET", "/api/profiles/%00", None, 404, {"profile": ["not found"]}),
    ]  # fmt: skip
    for method, path, body, status, errors in expected:
        reply = await gateway.ask(method, path, body, token=other)
        assert (reply.status, reply.json) == (status, {"errors": errors}), (method, path)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "field"),
    [
        ("GET", "/nothing", {}, 404, "path"),
        ("PATCH", "/api/tags", {}, 405, "method"),
        ("GET", "/api/articles?limit=0", {}, 422, "limit"),
        ("GET", "/api/articles?limit=101", {}, 422, "limit"),
        ("GET", "/api/articles?offset=-1", {}, 422, "offset"),
        ("GET", "/api/articles?page=1", {}, 422, "page"),
        ("GET", "/api/articles?tag=a&tag=b", {}, 422, "tag"),
        ("POST", "/api/users/login", {"content_type": "text/plain"}, 415, "body"),
        ("POST", "/api/users/login", {"content_type": "application/json"}, 400, "body"),
        ("POST", "/api/users", {"content_type": "application/json", "content_length": "70000"}, 413, "body"),
    ],
)
async def test_every_refusal_has_realworlds_form(  # noqa: PLR0917 - a table
    gateway: Gateway, method: str, path: str, headers: dict[str, str], status: int, field: str
) -> None:
    """Also those that the framework and the server's layers make."""
    reply = await gateway.ask(method, path, **headers)
    assert (reply.status, list(reply.json["errors"])) == (status, [field])
    assert reply.headers["content-type"] == "application/json"
    assert all(isinstance(each, str) for each in reply.json["errors"][field])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /api/tags HTTP/1.1\r\n\r\n", 400),
        (b"GET /api/tags HTTP/3.0\r\nhost: a\r\n\r\n", 400),
        (message("GET", "/api/articles?tag=" + "a" * 9_000), 414),
        (message("GET", "/api/tags", x="a" * 17_000), 431),
        (message("POST", "/api/users", b"{}", content_length="-1"), 400),
        (message("POST", "/api/users", b"{}", transfer_encoding="gzip"), 400),
    ],
    ids=["no host", "version", "long address", "long header", "negative length", "coding"],
)
async def test_what_the_server_refuses_has_it_too(gateway: Gateway, sent: bytes, status: int) -> None:
    """Before it is known which door it wants."""
    reply = await gateway.send(sent)
    assert (reply.status, list(reply.json)) == (status, ["errors"])
    assert reply.headers["content-type"] == "application/json"


async def test_a_fault_of_the_gateway_shows_nothing_of_its_inside(gateway: Gateway) -> None:
    """500, by the same form."""
    gateway.behind.failure = RuntimeError("a secret of the gateway")
    reply = await gateway.ask("GET", "/api/tags")
    assert (reply.status, list(reply.json["errors"])) == (500, ["gateway"])
    assert b"secret" not in reply.body


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json", "/docs/problems"])
async def test_the_documentation_is_open(gateway: Gateway, path: str) -> None:
    """It is made of the doors."""
    assert (await gateway.ask("GET", path)).status == 200


async def test_pages_of_listed_origins_may_read_the_answers(gateway: Gateway) -> None:
    """RealWorld's front ends are served from elsewhere."""
    reply = await gateway.ask("GET", "/api/tags", origin="https://web.example")
    assert reply.headers["access-control-allow-origin"] == "https://web.example"
