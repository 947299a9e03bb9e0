"""Handlers are checked before anything starts, and what is wrong is said in one sentence."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from kits.rpc.call import Call
from kits.rpc.errors import HandlerError
from kits.rpc.handlers import event_pattern, handlers_of, message_pattern
from kits.rpc.patterns import Event, Pattern


class Ask(msgspec.Struct):
    """A request."""

    n: int


class Answer(msgspec.Struct):
    """A reply."""

    n: int


ASK = Pattern("ask", Ask, Answer)
HEARD = Event("heard", Ask)


class Good:
    """Every form that is allowed."""

    @message_pattern(ASK)
    async def plain(self, ask: Ask) -> Answer:
        return Answer(ask.n)

    @message_pattern("by_annotation")
    async def named(self, ask: Ask, call: Call) -> list[Answer]:
        return [Answer(ask.n)]

    @message_pattern("stream")
    async def many(self, number: int) -> AsyncIterator[str]:
        yield str(number)

    @event_pattern(HEARD, retries=5)
    async def heard(self, event: Ask) -> None:
        pass


def test_marked_methods_are_found_with_their_shapes() -> None:
    found = handlers_of([Good()])
    assert sorted(found) == ["ask", "by_annotation", "heard", "stream"]
    assert (found["by_annotation"].reply.kind, found["stream"].reply.kind) == (list[Answer], str)
    assert (found["stream"].is_stream, found["heard"].is_event, found["heard"].retries) == (True, True, 5)
    assert (found["ask"].wants_call, found["by_annotation"].wants_call) == (False, True)


def controller(method: Any) -> object:
    """An object with this method."""
    return type("Controller", (), {"serve": method})()


async def other_request(self: object, ask: Answer) -> Answer:
    return ask


async def other_reply(self: object, ask: Ask) -> Ask:
    return ask


async def no_return(self: object, ask: Ask):  # type: ignore[no-untyped-def]
    return ask


async def no_request(self: object) -> Answer:
    return Answer(1)


async def other_call(self: object, ask: Ask, call: int) -> Answer:
    return Answer(call)


def not_async(self: object, ask: Ask) -> Answer:
    return Answer(ask.n)


async def answers(ask: Ask) -> AsyncIterator[Answer]:
    yield Answer(ask.n)


async def returns_iterator(self: object, ask: Ask) -> AsyncIterator[Answer]:
    return answers(ask)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (other_request, "other_request takes Answer, but the pattern ask says Ask"),
        (other_reply, "other_reply answers with Ask, but the pattern ask says Answer"),
        (no_return, "annotate"),
        (no_request, "annotate"),
        (other_call, "its second parameter is the call"),
        (not_async, "has to be `async def`"),
        (returns_iterator, "make it an async generator"),
    ],
)
def test_a_handler_that_differs_from_its_pattern_is_refused(method: Any, sentence: str) -> None:
    with pytest.raises(HandlerError, match=sentence):
        handlers_of([controller(message_pattern(ASK)(method))])


def test_two_handlers_of_one_pattern_are_refused() -> None:
    async def serve(self: object, ask: Ask) -> Answer:
        return Answer(ask.n)

    with pytest.raises(HandlerError, match=r"Two handlers serve ask: .*plain and .*serve"):
        handlers_of([Good(), controller(message_pattern(ASK)(serve))])


def test_an_event_handler_that_returns_something_is_refused() -> None:
    async def serve(self: object, ask: Ask) -> Answer:
        return Answer(ask.n)

    with pytest.raises(HandlerError, match="answers nobody"):
        handlers_of([controller(event_pattern(HEARD)(serve))])


def test_an_object_without_handlers_and_a_type_that_cannot_travel_are_refused() -> None:
    async def serve(self: object, ask: Ask | Answer) -> None:
        pass

    with pytest.raises(HandlerError, match="nothing to serve"):
        handlers_of([object()])
    with pytest.raises(HandlerError, match="a type that cannot travel"):
        handlers_of([controller(message_pattern("odd")(serve))])
