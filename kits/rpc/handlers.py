"""Request-reply, handlers: methods of a controller that are marked with the pattern or event they serve."""

import asyncio
import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from dataclasses import dataclass
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from kits.rpc.call import Call
from kits.rpc.errors import HandlerError
from kits.rpc.patterns import Event, Pattern, topic_name
from kits.rpc.values import Shape

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__rpc_mark__"


@dataclass(frozen=True, slots=True)
class _Mark:
    of: Pattern[Any, Any] | Event[Any] | str
    is_event: bool
    retries: int = 0


@dataclass(frozen=True, slots=True)
class RpcHandler:
    """A method that serves a topic."""

    topic: str
    run: Callable[..., Any]
    request: Shape[Any]
    reply: Shape[Any]
    is_event: bool
    is_stream: bool
    wants_call: bool
    retries: int

    async def answer(self, request: Any, call: Call) -> Any:
        """Its one reply."""
        return await cast("Awaitable[Any]", self._called(request, call))

    def replies(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """Its stream of replies."""
        return cast("AsyncIterator[Any]", self._called(request, call))

    def _called(self, request: Any, call: Call) -> Any:
        return self.run(request, call) if self.wants_call else self.run(request)


def is_cut_off(error: BaseException) -> bool:
    """Whether this task itself is to end; a handler may also have waited for what somebody else cancelled."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def message_pattern(pattern: Pattern[Any, Any] | str) -> Callable[[F], F]:
    """Marks a method that answers a request: `async def create(self, command: C, call: Call) -> R`.

    An async generator (`-> AsyncIterator[R]`) answers with a stream. `call` may be left out. With a topic
    alone the types come from the annotations.
    """
    return _marked(_Mark(pattern, is_event=False))


def event_pattern(event: Event[Any] | str, *, retries: int = 3) -> Callable[[F], F]:
    """Marks a method that takes an event: `async def index(self, event: E) -> None`.

    What it raises is tried again `retries` times with back-off, while later events of the same key wait; then
    the event goes to the dead-letter topic of this topic and group.
    """
    return _marked(_Mark(event, is_event=True, retries=retries))


def handlers_of(controllers: Iterable[object]) -> Mapping[str, RpcHandler]:
    """The marked methods of these objects, by their topics.

    Raises:
        HandlerError: two serve one topic, or annotations are missing or differ from the pattern.
    """
    found: dict[str, RpcHandler] = {}
    for controller in controllers:
        for name, function in inspect.getmembers(type(controller), inspect.isfunction):
            mark = getattr(function, _MARK, None)
            if mark is None:
                continue
            handler = _handler(mark, function, getattr(controller, name))
            if handler.topic in found:
                both = f"{found[handler.topic].run.__qualname__} and {function.__qualname__}"
                raise HandlerError(f"Two handlers serve {handler.topic}: {both}; keep one.")
            found[handler.topic] = handler
    if not found:
        raise HandlerError("No method is marked with @message_pattern or @event_pattern: nothing to serve.")
    return found


def _marked(mark: _Mark) -> Callable[[F], F]:
    def note(function: F) -> F:
        setattr(function, _MARK, mark)
        return function

    return note


def _handler(mark: _Mark, function: Callable[..., Any], bound: Callable[..., Any]) -> RpcHandler:
    taken, returned, wants_call, is_stream = _annotations(function, mark)
    name = function.__qualname__
    topic = topic_name(mark.of) if isinstance(mark.of, str) else mark.of.topic
    if isinstance(mark.of, Pattern):
        _compare(name, "takes", taken, mark.of.topic, mark.of.request.kind)
        _compare(name, "answers with", returned, mark.of.topic, mark.of.reply.kind)
    elif isinstance(mark.of, Event):
        _compare(name, "takes", taken, mark.of.topic, mark.of.event.kind)
    if mark.is_event and (is_stream or returned is not type(None)):
        raise HandlerError(f"{name} takes the event {topic}, so it answers nobody: let it return None.")
    try:
        request, reply = Shape(taken), Shape(returned)
    except TypeError as error:
        raise HandlerError(f"{name} has a type that cannot travel: {error}") from error
    return RpcHandler(topic, bound, request, reply, mark.is_event, is_stream, wants_call, mark.retries)


def _annotations(function: Callable[..., Any], mark: _Mark) -> tuple[Any, Any, bool, bool]:
    """What it takes, what it answers with, whether it wants the call, whether it is a stream."""
    name = function.__qualname__
    hints = get_type_hints(function, include_extras=True)
    parameters = list(inspect.signature(function).parameters)[1:]
    if not 1 <= len(parameters) <= 2 or any(each not in hints for each in [*parameters, "return"]):
        kind = "@event_pattern" if mark.is_event else "@message_pattern"
        raise HandlerError(f"{name} is marked {kind}: annotate (self, request[, call: Call]) and its return.")
    if len(parameters) == 2 and hints[parameters[1]] is not Call:
        raise HandlerError(f"{name}: its second parameter is the call; annotate it as Call.")
    is_stream = inspect.isasyncgenfunction(function)
    if not is_stream and not inspect.iscoroutinefunction(function):
        raise HandlerError(f"{name} has to be `async def`.")
    returned = hints["return"]
    if is_stream:
        returned = (get_args(returned) or (Any,))[0]
    elif get_origin(returned) in (AsyncIterator, AsyncGenerator, AsyncIterable):
        raise HandlerError(f"{name} returns an iterator: make it an async generator with `yield`.")
    return hints[parameters[0]], returned, len(parameters) == 2, is_stream


def _compare(name: str, does: str, own: Any, topic: str, agreed: Any) -> None:
    if own != agreed:
        shown, expected = (getattr(each, "__name__", str(each)) for each in (own, agreed))
        raise HandlerError(f"{name} {does} {shown}, but the pattern {topic} says {expected}.")
