"""Entrance: what the commands about the inbox share: its database, who acts, and which events are meant."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

from contracts.order_events import SCHEMAS
from kits.terminal.arguments import moment, positive, subject, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain
from worker.cli.environment import USAGE_ERROR, opened
from worker.command_container import InboxCommands, PositionCommands
from worker.inbox.error_class import ErrorClass
from worker.inbox.operators.audit import Note
from worker.inbox.operators.stuck import STUCK, Filter, State
from worker.settings import InboxSettings, OffsetsSettings

TYPES = sorted({name.rpartition(".")[0] for name in SCHEMAS})


def inbox(settings: InboxSettings) -> AbstractAsyncContextManager[InboxCommands]:
    """The inbox whose database is named there; raises as environment.opened does."""
    return opened(InboxCommands(settings=settings))


def positions(settings: OffsetsSettings) -> AbstractAsyncContextManager[PositionCommands]:
    """As inbox(), with the group as the brokers see it."""
    return opened(PositionCommands(settings=settings))


def note_of(options: argparse.Namespace, action: str, container: InboxCommands) -> Note:
    """Who does what, and why."""
    return Note(options.by or system_user(), action, container.group(), options.reason or "")


async def nothing_fits(container: InboxCommands, chosen: Filter) -> int:
    """Say how many were looked at, and which kinds there are; the exit code."""
    kinds = await container.stuck_events().kinds(chosen)
    if chosen.event_type not in {None, *TYPES, *kinds.types}:
        return unknown_type(chosen.event_type, kinds.types)
    if not kinds.events:
        complain("Nothing is stuck.")
        return 0
    tallies = {"Classes": kinds.classes, "Codes": kinds.codes, "Types": kinds.types}
    said = [
        f"{name}: {', '.join(f'{kind} {count}' for kind, count in tally.items())}."
        for name, tally in tallies.items()
        if tally
    ]
    complain(f"None of {kinds.events} stuck events fits. {' '.join(said)}")
    return 0


def unknown_type(event_type: str | None, more: Iterable[str] = ()) -> int:
    """Say which types there are; the exit code."""
    complain(f"No event has the type {event_type}. Types: {', '.join(sorted({*TYPES, *more}))}.")
    return USAGE_ERROR


def add_filters(parser: argparse.ArgumentParser, *, counted: str) -> None:
    """The filters; an event must fit all that are given. `counted` is what --limit counts."""
    fitting = parser.add_argument_group("which (all that are given must fit; without any: all that is stuck)")
    fitting.add_argument("--order", type=subject, metavar="ID", help="of this order")
    fitting.add_argument("--event", type=subject, metavar="ID", help="this event")
    classes = [each.value for each in ErrorClass]
    fitting.add_argument(
        "--error-class", choices=classes, metavar="CLASS", help=f"one of {', '.join(classes)}"
    )
    fitting.add_argument("--code", type=subject, metavar="CODE", help="with this code, as in 422 or timeout")
    fitting.add_argument("--type", type=subject, metavar="TYPE", help="of this type, as in order.paid")
    fitting.add_argument("--since", metavar="T", type=moment, help="in trouble since then or later")
    fitting.add_argument("--until", metavar="T", type=moment, help="in trouble since before then")
    fitting.add_argument(
        "--older-than", metavar="AGE", type=moment, dest="until", help="as --until 15m, 2h, 7d"
    )
    fitting.add_argument("--limit", metavar="N", type=positive, help=f"at most N {counted}")


def add_states(parser: argparse.ArgumentParser) -> None:
    """--state, where any may be meant."""
    states = [each.value for each in State]
    parser.add_argument("--state", choices=states, metavar="STATE", help=f"one of {', '.join(states)}")


def add_operator(parser: argparse.ArgumentParser, *, reason_is_needed: bool = True) -> None:
    """--reason and --by."""
    parser.add_argument(
        "--reason", type=words, required=reason_is_needed, metavar="TEXT", help="why; kept in the audit"
    )
    parser.add_argument(
        "--by", type=words, metavar="WHO", help="who does it (default: the user of the system)"
    )


def chosen(options: argparse.Namespace, states: Sequence[State] = STUCK) -> Filter:
    """What was asked for. Events whose number another one has are given up, and no trouble of an order."""
    if options.error_class == ErrorClass.NUMBER_CONFLICT:
        states = (State.GIVEN_UP,)
    given = getattr(options, "state", None)
    return Filter(
        order_id=options.order,
        event_id=options.event,
        error_class=options.error_class,
        code=options.code,
        event_type=options.type,
        states=states if given is None else (State(given),),
        since=options.since,
        until=options.until,
        limit=options.limit,
    )
