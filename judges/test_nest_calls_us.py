"""Clients of NestJS ask our service: every shape, and what becomes of bad requests."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from judges.exchanges import BIG
from judges.ours import REQUESTS, Article, our_client, our_service, shapes
from judges.packages import NEST_VERSIONS
from judges.programs import CLIENT, Program, nest_program
from judges.topics import own_topics
from kits.rpc.errors import RpcTimeoutError
from kits.rpc.patterns import Pattern
from tests.conftest import RUN_ID
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Pair(NamedTuple):
    """A client of NestJS, and the controller that it asks."""

    nest: Program
    controller: Any


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=NEST_VERSIONS)
async def pair(request: pytest.FixtureRequest, kafka_servers: str) -> AsyncIterator[Pair]:
    """A client of each version, and a service of ours for it."""
    prefix = f"calls-us-{request.param}-{RUN_ID}"
    controller = shapes(prefix)
    async with (
        own_topics(kafka_servers, prefix, [f"{name}.reply" for name in REQUESTS]),
        our_service(kafka_servers, prefix, controller),
        nest_program(CLIENT, request.param, kafka_servers, prefix, *REQUESTS) as nest,
    ):
        yield Pair(nest, controller)


FULL = {"title": "Träume", "tags": ["a", "b"], "words": 3}


@pytest.mark.parametrize(
    ("name", "data", "replies"),
    [
        ("article", FULL, [FULL]),
        ("article", {"key": "a-1", "value": FULL, "headers": {"trace": "t-1"}}, [FULL]),
        ("article", {"title": "", "unknown": 1}, [{"title": "", "tags": [], "words": None}]),
        ("titles", [{"title": "one"}, {"title": "zwei"}], [["one", "zwei"]]),
        ("titles", [], [[]]),
        ("text", "plain text", ["plain text"]),
        ("text", "", [""]),
        ("text", "42", ["42"]),
        ("text", "true", ["true"]),
        ("text", '{"not": JSON', ['{"not": JSON']),
        ("text", {"an": "object"}, [{"an": "object"}]),
        ("half", 85, ["42.5"]),
        ("half", "3", ["1.5"]),
        ("longer", False, ["false"]),
        ("nothing", "a", [None]),
        ("framed", "\0\0\0\0\7framed", [{"type": "Buffer", "data": list(b"\0\0\0\0\7framed")}]),
        ("pages", 3, [{"title": f"page {page}", "tags": [], "words": None} for page in range(3)]),
        ("pages", 1, [{"title": "page 0", "tags": [], "words": None}]),
        ("pages", 0, [None]),
    ],
)
async def test_every_shape_goes_there_and_back(pair: Pair, name: str, data: Any, replies: list[Any]) -> None:
    """Numbers and booleans come as NestJS has them, as text; an empty stream as one null."""
    assert await pair.nest.ask(send=name, data=data) == {"replies": replies}


async def test_a_big_request_gets_a_big_reply(pair: Pair) -> None:
    """Whole."""
    assert await pair.nest.ask(send="text", data=BIG) == {"replies": [BIG]}


@pytest.mark.parametrize(
    ("title", "status", "code", "detail"),
    [
        ("missing", 404, "article_not_found", "No article has this title."),
        ("broken", 500, "internal_error", "The service failed; its log says more."),
        ("huge", 500, "reply_too_large", "The reply is too large for its topic."),
    ],
)
async def test_a_refusal_is_an_error_of_nestjs(
    pair: Pair, title: str, status: int, code: str, detail: str
) -> None:
    """An object with `message`, as its readers expect; of a fault nothing comes out."""
    refusal = {"status": status, "code": code, "detail": detail, "message": detail}
    assert await pair.nest.ask(send="article", data={"title": title}) == {"replies": [], "error": refusal}


async def test_a_stream_that_breaks_gives_what_came_before_and_its_error(pair: Pair) -> None:
    """No element is lost on the way."""
    heard = await pair.nest.ask(send="pages", data=-2)
    assert [page["title"] for page in heard["replies"]] == ["page 0", "page 1"]
    assert (heard["error"]["status"], heard["error"]["code"]) == (410, "torn_out")


@pytest.mark.parametrize(
    ("name", "data", "path"),
    [
        ("article", {"title": 5}, "$.title"),
        ("article", {"title": "t", "tags": ["a", 1]}, "$.tags[1]"),
        ("article", {}, "$"),
        ("article", "no object", "$"),
        ("article", [], "$"),
        ("titles", {"title": "t"}, "$"),
        ("half", "many", "$"),
        ("half", {"n": 1}, "$"),
        ("longer", "perhaps", "$"),
        ("pages", "all", "$"),
    ],
)
async def test_an_unreadable_request_is_422_with_the_path(
    pair: Pair, name: str, data: Any, path: str
) -> None:
    """And no handler runs; the next request is served."""
    before = list(pair.controller.asked)
    heard = await pair.nest.ask(send=name, data=data)
    assert heard["replies"] == []
    assert (heard["error"]["status"], heard["error"]["code"]) == (422, "unreadable_request")
    assert heard["error"]["path"] == path
    assert heard["error"]["message"]
    assert pair.controller.asked == before


async def test_a_request_without_a_deadline_has_longer_than_ours_by_default(pair: Pair) -> None:
    """NestJS tells none: a minute by the broker's time."""
    assert await pair.nest.ask(send="longer", data=True) == {"replies": ["true"]}


@pytest.mark.parametrize("key", [None, "a-1"])
async def test_an_event_of_nestjs_is_handled(pair: Pair, key: str | None) -> None:
    """With a key or without."""
    pair.controller.noted.clear()
    await pair.nest.ask(emit="noted", data=FULL if key is None else {"key": key, "value": FULL})
    await eventually(lambda: pair.controller.noted == [Article("Träume", ["a", "b"], 3)])


@pytest.mark.parametrize("version", NEST_VERSIONS)
async def test_what_waited_for_us_is_served_unless_it_has_expired(version: str, kafka_servers: str) -> None:
    """A request of NestJS from before the start is answered, one of ours whose deadline is past not run."""
    prefix = f"waits-{version}-{RUN_ID}"
    controller = shapes(prefix)
    ours = Pattern(f"{prefix}.article", Article, Article)
    async with (
        own_topics(kafka_servers, prefix, ["article", "article.reply"]),
        our_client(kafka_servers, prefix) as client,
        nest_program(CLIENT, version, kafka_servers, prefix, "article") as nest,
    ):
        with pytest.raises(RpcTimeoutError):
            await client.send(ours, Article("expired"), timeout=1)
        nest.tell(send="article", data={"title": "waited"})
        async with our_service(kafka_servers, prefix, controller):
            assert (await nest.said())["replies"][0]["title"] == "waited"
            assert (await client.send(ours, Article("later"), timeout=30)).title == "later"
    assert controller.asked == ["waited", "later"]
