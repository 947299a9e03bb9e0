"""Request-reply behaves alike on the fake and on a real broker: every shape, errors, streams, events."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcError, RpcTimeoutError
from tests.fake_kafka import FakeKafka
from tests.rpc_services import Article, Patterns, articles, both_on_fake, both_on_kafka, topics_of
from tests.waiting import eventually, patient

LONG = 30.0


class Pair:
    """A client, and the service that it asks."""

    def __init__(self, client: RpcClient, controller: Any, patterns: Patterns) -> None:
        self.client = client
        self.controller = controller
        self.patterns = patterns


@pytest.fixture(params=["fake", "kafka"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """Both sides, on a fake and on a real broker."""
    patterns = Patterns(f"t{uuid.uuid4().hex[:8]}.")
    controller = articles(patterns)
    if request.param == "fake":
        kafka = FakeKafka(topics_of(patterns))
        async with both_on_fake(kafka, patterns, controller) as client:
            yield Pair(client, controller, patterns)
    else:
        servers = request.getfixturevalue("kafka_servers")
        async with both_on_kafka(servers, patterns, controller) as client:
            yield Pair(client, controller, patterns)


async def test_every_shape_goes_there_and_back(pair: Pair) -> None:
    """An object, a text for a number, nothing, a number for an array."""
    client, patterns = pair.client, pair.patterns
    assert await client.send(patterns.create, Article("a", 1), key="a-1", timeout=LONG) == Article("A", 2)
    assert await client.send(patterns.count, "one two three", timeout=LONG) == 3
    await client.send(patterns.drop, "a", timeout=LONG)
    assert pair.controller.created == ["a", "dropped a"]
    assert await client.send(patterns.list, 2, timeout=LONG) == [Article("title 0"), Article("title 1", 1)]
    assert await client.send(patterns.count, "", timeout=LONG) == 0
    assert await client.send(patterns.count, '{"a": 1} [2]', timeout=LONG) == 3


async def test_a_stream_of_replies_comes_in_order_and_ends(pair: Pair) -> None:
    """Also one of a single element, and an empty one; send() of a stream returns its last."""
    client, titles = pair.client, pair.patterns.titles
    for length in (0, 1, 5, 200):
        found = [each async for each in client.stream(titles, Article("t", length), timeout=LONG)]
        assert found == [f"t {number}" for number in range(length)]
    assert await client.send(titles, Article("t", 3), timeout=LONG) == "t 2"


async def test_what_is_wrong_is_said_to_the_caller(pair: Pair) -> None:
    """A refusal with its words, a fault without any, what came before a stream broke off."""
    client, patterns = pair.client, pair.patterns
    with pytest.raises(RpcError) as refused:
        await client.send(patterns.create, Article("refuse"), timeout=LONG)
    assert (refused.value.status, refused.value.code) == (404, "article_not_found")
    assert refused.value.detail == "There is no such article."
    with pytest.raises(RpcError) as failed:
        await client.send(patterns.create, Article("break"), timeout=LONG)
    assert (failed.value.status, failed.value.code) == (500, "internal_error")
    assert "secret" not in str(failed.value)
    stream = client.stream(patterns.titles, Article("break off", 2), timeout=LONG)
    assert [await anext(stream), await anext(stream)] == ["break off 0", "break off 1"]
    with pytest.raises(RpcError, match="no more"):
        await anext(stream)


async def test_a_request_of_another_shape_is_422_with_the_path(pair: Pair) -> None:
    client, topic = pair.client, pair.patterns.create.topic
    for body, path in (
        (b'{"title": 7}', "$.title"),
        (b'{"words": 1}', "$"),
        (b'{"title": "a", "words": "many"}', "$.words"),
        (b"[1]", "$"),
        (b"plain text", "$"),
        (b"{", "$"),
        (b"\xff\xfe", "$"),
        (b"[" * 100_000, "$"),
        (None, "$"),
    ):
        with pytest.raises(RpcError) as error:
            await client.ask(topic, body, timeout=LONG)
        assert (error.value.status, error.value.code, error.value.path) == (422, "unreadable_request", path)
    assert pair.controller.created == []


async def test_a_reply_that_is_too_large_is_an_error_and_no_hang(pair: Pair) -> None:
    with pytest.raises(RpcError) as error:
        await pair.client.send(pair.patterns.create, Article("huge"), timeout=LONG)
    assert (error.value.status, error.value.code) == (500, "reply_too_large")
    with pytest.raises(RpcError) as error:
        await pair.client.send(pair.patterns.create, Article("x" * 2_000_000), timeout=LONG)
    assert (error.value.status, error.value.code) == (413, "request_too_large")


async def test_nobody_answers_in_time(pair: Pair) -> None:
    """The caller waits no longer than it said, and the late reply disturbs nobody."""
    # Both sides are there: a caller that cannot read replies yet is told of that.
    assert await pair.client.send(pair.patterns.count, "one", timeout=LONG) == 1
    pair.controller.release.clear()
    with pytest.raises(RpcTimeoutError, match="look whether its service runs"):
        await pair.client.send(pair.patterns.create, Article("slow"), timeout=patient(1.0))
    pair.controller.release.set()
    assert await pair.client.send(pair.patterns.create, Article("next"), timeout=LONG) == Article("NEXT", 1)


async def test_an_event_is_heard_and_tried_again_when_its_handler_fails(pair: Pair) -> None:
    """Events of one key come in their order, also when the first of them had to be tried three times."""
    pair.controller.failures = 2
    for title in ("first", "second"):
        await pair.client.emit(pair.patterns.created, Article(title), key="a-1", timeout=LONG)
    await eventually(lambda: pair.controller.heard[-1:] == ["second"])
    assert pair.controller.heard == ["first", "first", "first", "second"]


async def test_many_calls_at_once_are_each_answered_with_their_own_reply(pair: Pair) -> None:
    calls = [pair.client.send(pair.patterns.create, Article(f"t{n}"), timeout=LONG) for n in range(200)]
    assert [reply.title for reply in await asyncio.gather(*calls)] == [f"T{n}" for n in range(200)]
