"""Listeners of a transaction's events, without a transaction."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from app.application.ports import UnitOfWork
from app.application.transactional_events import (
    EventBus,
    Phase,
    RaisedEvent,
    transactional_event_listener,
)
from app.domain.events import OrderCreatedEvent
from tests.builders import an_order

NO_TRANSACTION = cast(UnitOfWork, None)
EVENTS = [RaisedEvent(OrderCreatedEvent(an_order()), "")]


class Listener:
    """Hears both phases, and fails when told to."""

    def __init__(self, heard: list[str], name: str = "", *, failing: bool = False) -> None:
        self.heard = heard
        self.name = name
        self.failing = failing

    @transactional_event_listener(phase=Phase.BEFORE_COMMIT)
    async def before(self, events: Sequence[RaisedEvent], _uow: Any) -> None:
        self.heard.append(f"before{self.name}:{len(events)}")
        if self.failing:
            raise RuntimeError("no")

    @transactional_event_listener(phase=Phase.AFTER_COMMIT)
    async def after(self, events: Sequence[RaisedEvent], _uow: Any) -> None:
        self.heard.append(f"after{self.name}:{len(events)}")
        if self.failing:
            raise RuntimeError("no")

    async def unmarked(self, events: Sequence[RaisedEvent], _uow: Any) -> None:
        self.heard.append("unmarked")


async def test_each_phase_reaches_its_listeners_in_the_given_order() -> None:
    """All events of the transaction at once; what is not marked is not called."""
    heard: list[str] = []
    bus = EventBus([Listener(heard, "-1"), Listener(heard, "-2")])
    await bus.before_commit(EVENTS * 2, NO_TRANSACTION)
    await bus.after_commit(EVENTS, NO_TRANSACTION)
    assert heard == ["before-1:2", "before-2:2", "after-1:1", "after-2:1"]


async def test_a_transaction_without_events_reaches_nobody() -> None:
    """A read costs nothing."""
    heard: list[str] = []
    bus = EventBus([Listener(heard)])
    await bus.before_commit([], NO_TRANSACTION)
    await bus.after_commit([], NO_TRANSACTION)
    assert heard == []


async def test_a_failure_before_the_commit_reaches_the_caller() -> None:
    """It must roll back."""
    with pytest.raises(RuntimeError):
        await EventBus([Listener([], failing=True)]).before_commit(EVENTS, NO_TRANSACTION)


async def test_a_failure_after_the_commit_reaches_nobody_and_the_next_listener_still_hears() -> None:
    """The commit can't be taken back."""
    heard: list[str] = []
    bus = EventBus([Listener(heard, "-1", failing=True), Listener(heard, "-2")])
    await bus.after_commit(EVENTS, NO_TRANSACTION)
    assert heard == ["after-1:1", "after-2:1"]
