"""The gateway's GraphQL door over services in memory: partial answers, and documents that it does not do."""

import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.integration.api.raw import message
from tests.unit.conduit.conftest import Gateway
from tests.waiting import patient

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH = "{ user { username token } articles { slug author { username following } } }"


async def test_a_user_is_made_logs_in_and_publishes(gateway: Gateway) -> None:
    """As at the other door."""
    made = await gateway.query(
        "mutation($user: CreateUserInput!) { createUser(user: $user) { username email token bio image } }",
        user={"username": "ada", "email": "ada@example.com", "password": "password123"},
    )
    assert made.status == 200
    user = made.json["data"]["createUser"]
    assert {**user, "token": ""} == {
        "username": "ada", "email": "ada@example.com", "token": "", "bio": None, "image": None,
    }  # fmt: skip
    logged_in = await gateway.query(
        'mutation { loginUser(user: {email: "ada@example.com", password: "password123"}) { token } }'
    )
    token = logged_in.json["data"]["loginUser"]["token"]
    published = await gateway.query(
        "mutation($a: CreateArticleInput!) { createArticle(article: $a) "
        "{ slug title body tagList createdAt favorited favoritesCount author { username following } } }",
        token,
        a={"title": "A walk", "description": "d", "body": "b", "tagList": ["hills"]},
    )
    assert published.json == {
        "data": {
            "createArticle": {
                "slug": "a-walk-1",
                "title": "A walk",
                "body": "b",
                "tagList": ["hills"],
                "createdAt": "2026-11-28T12:00:01.123Z",
                "favorited": False,
                "favoritesCount": 0,
                "author": {"username": "ada", "following": False},
            }
        }
    }
    seen = await gateway.query(BOTH, token)
    assert seen.json["data"] == {
        "user": {"username": "ada", "token": token},
        "articles": [{"slug": "a-walk-1", "author": {"username": "ada", "following": False}}],
    }


async def test_articles_are_filtered_and_profiles_is_asked_once(gateway: Gateway) -> None:
    """For all authors of all lists together, and only if somebody wants to know."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    for title in ("One", "Two"):
        await gateway.article(other, title, tagList=["t"])
    await gateway.ask("POST", "/api/profiles/ben/follow", token=token)
    gateway.behind.sent.clear()
    reply = await gateway.query(
        '{ a: articles(tag: "t", author: "ben", limit: 1, offset: 1) { title author { following } } '
        "b: articles { author { following } } }",
        token,
    )
    assert reply.json["data"]["a"] == [{"title": "One", "author": {"following": True}}]
    assert sorted(gateway.behind.patterns) == ["get_all_articles"] * 2 + ["get_followed_among"]
    gateway.behind.sent.clear()
    await gateway.query("{ articles { title author { username } } }", token)
    assert gateway.behind.patterns == ["get_all_articles"]


async def test_a_service_that_is_away_leaves_its_fields_null(gateway: Gateway) -> None:
    """The others answer; `errors` names the service and the place."""
    token, other = await gateway.user("ada"), await gateway.user("ben")
    await gateway.article(other)
    gateway.behind.away = {"articles"}
    reply = await gateway.query(BOTH, token)
    assert reply.status == 200
    assert reply.json["data"] == {"user": {"username": "ada", "token": token}, "articles": None}
    (error,) = reply.json["errors"]
    assert error["path"] == ["articles"]
    assert error["extensions"]["service"] == "articles"
    assert error["extensions"]["code"] == "service_unavailable"
    gateway.behind.away = {"profiles"}
    reply = await gateway.query(BOTH, token)
    assert reply.json["data"]["articles"][0]["author"] == {"username": "ben", "following": None}
    (error,) = reply.json["errors"]
    assert (error["path"], error["extensions"]["service"]) == (
        ["articles", 0, "author", "following"],
        "profiles",
    )
    gateway.behind.away = {"auth"}
    reply = await gateway.query(BOTH, token)
    assert reply.json["data"]["user"] is None
    assert len(reply.json["data"]["articles"]) == 1


async def test_refusals_say_what_is_wrong_by_field(gateway: Gateway) -> None:
    """By the rules and in the words of the other door."""
    reply = await gateway.query(BOTH)
    assert reply.json["data"] == {"user": None, "articles": []}
    gateway.behind.sent.clear()
    assert reply.json["errors"][0]["extensions"] == {
        "code": "unauthenticated", "errors": {"token": ["is missing"]},
    }  # fmt: skip
    wrong = 'user: {email: "", password: "x", username: "a"}'
    reply = await gateway.query("mutation { createUser(" + wrong + ") { token } }")
    assert reply.json["data"] == {"createUser": None}
    assert reply.json["errors"][0]["extensions"]["errors"] == {
        "email": ["can't be blank"], "password": ["is too short (minimum is 8 characters)"],
    }  # fmt: skip
    reply = await gateway.query('{ articles(limit: 101, offset: -1, author: "") { slug } }')
    assert reply.json["errors"][0]["extensions"]["errors"] == {
        "author": ["can't be blank"],
        "limit": ["is invalid"], "offset": ["is invalid"],
    }  # fmt: skip
    assert gateway.behind.sent == []
    reply = await gateway.ask("POST", "/graphql", {"query": BOTH}, authorization="Token x")
    assert (reply.status, reply.json["errors"][0]["message"]) == (401, "token is invalid")


async def test_what_nobody_expected_is_masked_and_logged(gateway: Gateway) -> None:
    """The trace is for operators."""
    gateway.behind.failure = RuntimeError("a secret of the gateway")
    with capture_logs() as logs:
        reply = await gateway.query("{ articles { slug } }")
    assert reply.json["data"] == {"articles": None}
    assert reply.json["errors"][0]["extensions"]["code"] == "internal_error"
    assert b"secret" not in reply.body
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request_failed"]


FRAGMENTS = "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }} " for n in range(60))
BOMBS = {
    "deep": "{" + "articles { author " * 3_000,
    "deep and whole": "{ articles " + "{ author " * 400 + "{ id }" + "}" * 400 + " }",
    "wide": "{ articles { " + "slug " * 1_500 + "} }",
    "the same field again": "{ articles { " + "slug " * 900 + "} }",
    "the same list again": "{ " + "articles { author { username } } " * 120 + "}",
    "aliases": "{ " + " ".join(f"a{n}: articles {{ slug }}" for n in range(9)) + " }",
    "many logins": "mutation { "
    + " ".join(f'l{n}: loginUser(user: {{email: "a@b", password: "p{n}"}}) {{ token }}' for n in range(40))
    + " }",
    "a fragment within itself": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "fragments that double": "{ ...f0 } " + FRAGMENTS + "fragment f60 on Query { user { token } }",
    "fragments that double and hide depth": "{ articles { ...g0 } } "
    + "".join(f"fragment g{n} on ArticleSummary {{ author {{ ...g{n + 1} }} }} " for n in range(20))
    + "fragment g20 on ArticleSummary { slug }",
    "directives": "{ articles " + "@skip(if: false) " * 150 + "{ slug } }",
    "a list of lists": "{ articles(tag: " + "[" * 900 + " }",
    "a long list of lists": "{ articles(tag: " + "[" * 30_000 + " }",
    "a huge number": "{ articles(limit: " + "9" * 9_000 + ") { slug } }",
    "a number beyond all": "{ articles(limit: " + "9" * 50_000 + ") { slug } }",
    "many operations": " ".join(f"query q{n} {{ user {{ token }} }}" for n in range(60)),
    "many variables": "query(" + " ".join(f"$v{n}: Int" for n in range(300)) + ") { user { token } }",
    "introspection": "{ __schema { types { name fields { name type { name ofType { name } } } } } }",
    "a type's name": '{ __type(name: "User") { name } }',
    "no operation": "fragment a on Query { user { token } }",
    "nothing": "",
    "a comment": "# nothing",
    "a subscription": "subscription { user { token } }",
    "no such field": "{ users { token } }",
    "half a document": "{ user { token",
    "a null character": "{ user\x00 { token } }",
    "no graphql": '{"query": 1}',
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_is_refused_before_anything_is_asked(gateway: Gateway, bomb: str) -> None:
    """With `errors` alone; a person who waits behind it notices nothing."""
    began = time.process_time()
    with capture_logs() as logs:
        reply = await gateway.query(BOMBS[bomb])
    took = time.process_time() - began
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert reply.status in {400, 422}, reply
    assert list(reply.json) == ["errors"]
    assert all(error["message"] for error in reply.json["errors"])
    assert gateway.behind.sent == []
    assert took < patient(0.5)


@pytest.mark.parametrize(
    "variables",
    [
        {"user": ["x"] * 10_000},
        {"user": {"email": "hunter2", "password": ["hunter2"]}},
        {"user": {"email": 5, "password": "hunter2"}},
        {"user": {"email": "a@b", "password": "hunter2", "more": "hunter2"}},
        {"user": None},
        {},
        {f"v{n}": "hunter2" for n in range(3_000)},
    ],
    ids=["a list", "list", "number", "more", "null", "missing", "others"],
)
async def test_variables_that_do_not_fit_are_refused_and_not_repeated(
    gateway: Gateway, variables: Any
) -> None:
    """They may hold a password."""
    query = "mutation($user: LoginUserInput!) { loginUser(user: $user) { token } }"
    reply = await gateway.query(query, **variables)
    assert reply.status == 400, reply
    assert b"hunter2" not in reply.body
    assert gateway.behind.sent == []


@pytest.mark.parametrize(
    "query",
    [
        'mutation { loginUser(user: {email: "a@b", password: ["hunter2"]}) { token } }',
        'mutation { loginUser(user: {email: 5, password: "hunter2", more: "hunter2"}) { token } }',
        'mutation { loginUser(user: "hunter2") { token } }',
        'mutation { loginUser(user: {email: "a@b", password: hunter2}) { token } }',
        'mutation { loginUser(user: {email: "a@b" password "hunter2"}) { token } }',
        '{ articles(limit: "hunter2") { slug } }',
        'query($t: Int = "hunter2") { articles(limit: $t) { slug } }',
        '"hunter2"',
    ],
)
async def test_no_error_repeats_a_value_of_the_document(gateway: Gateway, query: str) -> None:
    """A password may stand where it does not belong."""
    reply = await gateway.query(query)
    assert reply.status == 400, reply
    assert b"hunter2" not in reply.body
    assert gateway.behind.sent == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/graphql", None, 405),
        ("GET", "/graphql?query={user{token}}", None, 405),
        ("POST", "/graphql?query=1", {"query": BOTH}, 422),
        ("POST", "/graphql", [{"query": BOTH}], 422),
        ("POST", "/graphql", {"query": 1}, 422),
        ("POST", "/graphql", {}, 422),
        ("POST", "/graphql", {"query": BOTH, "variables": []}, 422),
        ("POST", "/graphql", {"query": BOTH, "operationName": "none"}, 400),
    ],
)
async def test_only_one_json_body_is_a_request(
    gateway: Gateway, method: str, path: str, body: Any, status: int
) -> None:
    """No query over GET, no batch; the refusal is GraphQL's list."""
    reply = await gateway.ask(method, path, body)
    assert reply.status == status
    assert reply.json["errors"][0]["message"]


async def test_a_member_twice_or_another_type_of_body_is_refused(gateway: Gateway) -> None:
    """As at the other door."""
    for body, kind, status in (
        (b'{"query":"{a}","query":"{b}"}', "application/json", 400),
        (b'{"query":"{a}","variables":{"a":1,"a":2}}', "application/json", 400),
        (b"{user{token}}", "application/graphql", 415),
        (b"query={user{token}}", "application/x-www-form-urlencoded", 415),
    ):
        reply = await gateway.send(message("POST", "/graphql", body, content_type=kind))
        assert reply.status == status
        assert isinstance(reply.json["errors"], list)
