"""Our client asks services of NestJS: every shape, their errors and their streams."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from judges.exchanges import AN_OBJECT, BIG
from judges.ours import our_client
from judges.packages import NEST_VERSIONS
from judges.programs import SERVED, SERVICE, Program, nest_program
from judges.topics import own_topics
from kits.rpc.client import RpcClient
from kits.rpc.errors import RpcError
from kits.rpc.patterns import Event, Pattern
from tests.conftest import RUN_ID

pytestmark = pytest.mark.asyncio(loop_scope="module")
LONG = 30.0


class Pair(NamedTuple):
    """Our client, and the service of NestJS that it asks."""

    client: RpcClient
    nest: Program
    prefix: str

    def answers(self, kind: Any) -> Pattern[str, Any]:
        """The pattern that answers with the shape that it is asked for."""
        return Pattern(f"{self.prefix}.answer", str, kind)

    def echo(self, kind: Any) -> Pattern[Any, Any]:
        """The pattern that gives back what it gets."""
        return Pattern(f"{self.prefix}.echo", kind, kind)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=NEST_VERSIONS)
async def pair(request: pytest.FixtureRequest, kafka_servers: str) -> AsyncIterator[Pair]:
    """A service of each version."""
    prefix = f"called-{request.param}-{RUN_ID}"
    async with (
        own_topics(kafka_servers, prefix, SERVED),
        nest_program(SERVICE, request.param, kafka_servers, prefix) as nest,
        our_client(kafka_servers, prefix) as client,
    ):
        yield Pair(client, nest, prefix)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (dict[str, Any], AN_OBJECT),
        (list[Any], [1, "zwei", None, {"three": 3.5}]),
        (str, "plain text"),
        (str, ""),
        (str, "42"),
        (str, '{"not": JSON'),
        (int, 42),
        (float, -0.5),
        (bool, True),
        (bytes, b"\0\0\0\0\7framed"),
        (str, BIG),
    ],
    ids=["object", "array", "text", "empty", "digits", "like JSON", "int", "float", "bool", "bytes", "big"],
)
async def test_what_is_sent_comes_back(pair: Pair, kind: Any, value: Any) -> None:
    """With the type that the pattern says."""
    assert await pair.client.send(pair.echo(kind), value, key="k-1", timeout=LONG) == value


@pytest.mark.parametrize(
    ("shape", "kind", "value"),
    [
        ("object", dict[str, Any], {"title": "Träume", "tags": ["a", "b"], "read": None}),
        ("array", list[Any], [1, "zwei", None]),
        ("text", str, "plain text"),
        ("void", type(None), None),
        ("null", dict[str, Any] | None, None),
        ("number", float, 42.5),
        ("boolean", bool, False),
    ],
)
async def test_every_shape_of_a_reply_is_read(pair: Pair, shape: str, kind: Any, value: Any) -> None:
    """NestJS writes numbers and booleans as text."""
    found = await pair.client.send(pair.answers(kind), shape, timeout=LONG)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("shape", ["stream at once", "stream over time", "stream that ends late"])
async def test_a_stream_has_its_elements_and_no_more(pair: Pair, shape: str) -> None:
    """Whether its end comes with the last element or after it."""
    stream = pair.client.stream(pair.answers(dict[str, int]), shape, timeout=LONG)
    assert [each async for each in stream] == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_stream_that_breaks_gives_what_came_before_and_its_error(pair: Pair) -> None:
    stream = pair.client.stream(pair.answers(dict[str, int]), "stream that breaks", timeout=LONG)
    assert await anext(stream) == {"n": 1}
    with pytest.raises(RpcError) as refused:
        await anext(stream)
    assert refused.value.detail == "broken"


@pytest.mark.parametrize(
    ("shape", "status", "code", "detail"),
    [
        ("error object", 404, "article_not_found", "No article has this title."),
        ("error text", 500, "error", "No article has this title."),
        ("error unknown", 500, "error", "Internal server error"),
    ],
)
async def test_an_error_of_nestjs_is_a_refusal(
    pair: Pair, shape: str, status: int, code: str, detail: str
) -> None:
    """With what it tells; NestJS hides what it does not know."""
    with pytest.raises(RpcError) as refused:
        await pair.client.send(pair.answers(str), shape, timeout=LONG)
    error = refused.value
    assert (error.status, error.code, error.detail, error.path) == (status, code, detail, "")


async def test_a_reply_that_the_pattern_does_not_expect_is_refused(pair: Pair) -> None:
    """Whose fault it is stands in the status."""
    with pytest.raises(RpcError) as refused:
        await pair.client.send(pair.answers(int), "text", timeout=LONG)
    assert (refused.value.status, refused.value.code) == (502, "unreadable_reply")


@pytest.mark.parametrize(
    ("kind", "value", "noted"),
    [(dict[str, Any], AN_OBJECT, AN_OBJECT), (str, "plain text", "plain text"), (int, 42, "42")],
)
async def test_our_event_is_handled(pair: Pair, kind: Any, value: Any, noted: Any) -> None:
    """By NestJS's @EventPattern."""
    await pair.client.emit(Event(f"{pair.prefix}.noted", kind), value, key="k-1", timeout=LONG)
    assert await pair.nest.said() == {"noted": noted}
