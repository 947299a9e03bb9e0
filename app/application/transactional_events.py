"""In-process events: listeners that hear a transaction's events before its commit or after it.

The idea is Spring's `@TransactionalEventListener`; listeners are handed over by the container, none registers
itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from app.application.ports import UnitOfWork
from app.domain.events import OrderEvent
from kits.observability.logs import get_logger

log = get_logger(__name__)


class Phase(Enum):
    """When a listener hears the events of a transaction."""

    BEFORE_COMMIT = "before_commit"
    """Inside the transaction: what the listener raises rolls everything back."""
    AFTER_COMMIT = "after_commit"
    """After the commit, never for a rollback: what the listener raises is logged and changes nothing."""


@dataclass(frozen=True, slots=True)
class RaisedEvent:
    """A domain event with the trace of the request that caused it."""

    event: OrderEvent
    traceparent: str


Listener = Callable[[Sequence[RaisedEvent], UnitOfWork], Awaitable[None]]
Marked = TypeVar("Marked", bound=Callable[..., Any])


def transactional_event_listener(*, phase: Phase) -> Callable[[Marked], Marked]:
    """Mark a method as a listener; it gets all events of one transaction, in the order they were raised."""

    def mark(method: Marked) -> Marked:
        method.__dict__["listens_in"] = phase
        return method

    return mark


class EventBus:
    """Hands the events of a transaction to the marked methods of the listeners, in the given order."""

    def __init__(self, listeners: Sequence[object]) -> None:
        self._listeners: dict[Phase, list[Listener]] = {phase: [] for phase in Phase}
        for listener in listeners:
            for name in vars(type(listener)):
                method = getattr(listener, name)
                phase = getattr(method, "listens_in", None)
                if phase is not None:
                    self._listeners[phase].append(method)

    async def before_commit(self, events: Sequence[RaisedEvent], uow: UnitOfWork) -> None:
        """Let listeners take part in the transaction; what they raise reaches the caller."""
        for listener in self._listeners[Phase.BEFORE_COMMIT] if events else ():
            await listener(events, uow)

    async def after_commit(self, events: Sequence[RaisedEvent], uow: UnitOfWork) -> None:
        """Tell listeners what is now certain; never raises, since the commit can't be taken back."""
        for listener in self._listeners[Phase.AFTER_COMMIT] if events else ():
            try:
                await listener(events, uow)
            except Exception:
                # The order stands and its event is in the outbox: the relay brings it.
                log.exception("after_commit_listener_failed", action="report a bug; the relay publishes it")
