"""Delivery: the three things that an operator can do about a stuck order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, Protocol

from worker.delivery.case_work import Work
from worker.delivery.giving_up import GivesUp
from worker.delivery.redrive import Redrive
from worker.delivery.redrive_rules import NotNowError, plan_discard, plan_skip
from worker.delivery.stuck import GivingUp, Lease, Note, OpenEvent, Standing, StuckOrders


@dataclass(frozen=True, slots=True)
class Tools:
    """What an action works with."""

    stuck: StuckOrders
    redrive: Redrive
    gives_up: GivesUp


class Action(Protocol):
    """One of the three."""

    noted_at_start: ClassVar[bool]
    """Whether the audit has it from the moment when the order is taken; else with the decision."""

    def preview(self, standing: Standing) -> str:
        """What it would do, as a part of a sentence."""
        ...

    def bound(self, tools: Tools, note: Note) -> Work:
        """The work for one case."""
        ...


@dataclass(frozen=True, slots=True)
class Redriving:
    """Send everything again."""

    noted_at_start: ClassVar[bool] = True

    def preview(self, standing: Standing) -> str:
        """See Action."""
        return f"sends {_told(standing.events)}"

    def bound(self, tools: Tools, note: Note) -> Work:  # noqa: ARG002 - it is noted at the start
        """See Action."""
        return tools.redrive.drive


@dataclass(frozen=True, slots=True)
class Skip:
    """Give up what is at the front, then send the rest."""

    noted_at_start: ClassVar[bool] = False
    event_id: str | None = None
    seq: int | None = None

    def preview(self, standing: Standing) -> str:
        """See Action."""
        try:
            plan = self._plan(standing)
        except NotNowError as error:
            return f"left: {error}"
        rest = [event for event in standing.events if event.event_id not in plan.event_ids]
        return f"gives up {_given_up(plan)}, then sends {_told(rest)}"

    def bound(self, tools: Tools, note: Note) -> Work:
        """See Action."""

        async def work(lease: Lease) -> str:
            standing = await tools.stuck.standing(lease.case)
            if not standing.events:
                return ""
            left = await tools.gives_up.carry_out(lease, self._plan(standing), note)
            return left or await tools.redrive.drive(lease)

        return work

    def _plan(self, standing: Standing) -> GivingUp:
        return plan_skip(standing, event_id=self.event_id, seq=self.seq)


@dataclass(frozen=True, slots=True)
class Discard:
    """Give up everything."""

    noted_at_start: ClassVar[bool] = False

    def preview(self, standing: Standing) -> str:
        """See Action."""
        try:
            return f"gives up {_given_up(plan_discard(standing))}"
        except NotNowError as error:
            return f"left: {error}"

    def bound(self, tools: Tools, note: Note) -> Work:
        """See Action. What has arrived meanwhile goes in the end."""

        async def work(lease: Lease) -> str:
            standing = await tools.stuck.standing(lease.case)
            if not standing.events:
                return ""
            left = await tools.gives_up.carry_out(lease, plan_discard(standing), note)
            return left or await tools.redrive.drive(lease)

        return work


def _given_up(plan: GivingUp) -> str:
    if not plan.numbers:
        return f"event {', '.join(plan.event_ids)} and no number"
    missing = sum(1 for _, event_id in plan.numbers if event_id is None)
    told = _ranges([number for number, _ in plan.numbers])
    return f"{told} ({missing} of them never seen)" if missing else told


def _told(events: Sequence[OpenEvent]) -> str:
    """As in `2 (dead), 3 to 5 (held)`."""
    if not events:
        return "nothing"
    parts = []
    for status, group in groupby(events, key=lambda event: event.status):
        numbers = [event.seq for event in group]
        known = [number for number in numbers if number is not None]
        unknown = len(numbers) - len(known)
        named = ", ".join(filter(None, [f"{unknown} without a number" if unknown else "", _ranges(known)]))
        parts.append(f"{named} ({status})")
    return ", ".join(parts)


def _ranges(numbers: Sequence[int]) -> str:
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in found)
