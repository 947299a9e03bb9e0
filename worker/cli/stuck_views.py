"""Entrance: `dlq list`, `dlq summary` and `dlq show`: what is stuck, and why."""

import argparse
import asyncio
from datetime import datetime

from kits.terminal.arguments import Commands, subject
from kits.terminal.printing import complain, say, say_json, say_table
from worker.cli.environment import FAILED, settings_of
from worker.cli.inbox_access import add_filters, add_states, chosen, inbox, nothing_fits
from worker.command_container import InboxCommands
from worker.inbox.operators.audit import notes
from worker.inbox.operators.contents import whole_events
from worker.inbox.operators.dead_letter_limit import group_view
from worker.inbox.operators.stuck import StuckEvent
from worker.settings import InboxSettings

_COLUMNS = ("ORDER", "SEQ", "STATE", "CLASS", "CODE", "TYPE", "EVENT", "SINCE", "MISSING", "WHY")
_AGES = ("CLASS", "< 1 H", "< 1 D", "< 7 D", "LONGER", "OLDEST")
_NOTES = 100


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    listed = commands.add_parser("list", help="what is stuck, oldest trouble first")
    listed.set_defaults(command=_list)
    summary = commands.add_parser("summary", help="how much is stuck, by class and age")
    summary.set_defaults(command=_summary)
    for parser in (listed, summary):
        add_filters(parser, counted="events")
        add_states(parser)
        parser.add_argument("--json", action="store_true", help="a JSON array on stdout")
    show = commands.add_parser("show", help="everything about one order or event, with its bytes, as JSON")
    show.set_defaults(command=_show)
    show.add_argument("--json", action="store_true", help="as it is anyway")
    which = show.add_mutually_exclusive_group(required=True)
    which.add_argument("--order", type=subject, metavar="ID")
    which.add_argument("--event", type=subject, metavar="ID")


async def limit_lines(container: InboxCommands) -> list[str]:
    """What is to be known first while the dead-letter limit stands; else nothing."""
    view = await group_view(container.engine(), container.group())
    if view.tripped_at is None:
        return []
    what = "nothing is sent until somebody mends the cause and runs `dlq release --reason TEXT`"
    return [
        f"The dead-letter limit stands since {_time(view.tripped_at)}: {what}.",
        *(f"  {refusals}" for refusals in view.trip.tally),
        f"  for example {', '.join(view.trip.event_ids)}",
    ]


def _list(options: argparse.Namespace) -> int:
    return asyncio.run(_listing(options))


async def _listing(options: argparse.Namespace) -> int:
    which = chosen(options)
    async with inbox(settings_of(InboxSettings)) as container:
        first = await limit_lines(container)
        events = await container.stuck_events().listed(which)
        if options.json:
            complain(*first)
            say_json(events)
        else:
            say(*first)
            say_table([_COLUMNS, *map(_cells, events)] if events else [])
        return 0 if events else await nothing_fits(container, which)


def _summary(options: argparse.Namespace) -> int:
    return asyncio.run(_summing(options))


async def _summing(options: argparse.Namespace) -> int:
    which = chosen(options)
    async with inbox(settings_of(InboxSettings)) as container:
        ages = await container.stuck_events().ages(which)
        if options.json:
            say_json(ages)
        elif ages:
            counts = [
                (
                    each.error_class,
                    *map(str, (each.hour, each.day, each.week, each.longer)),
                    _time(each.oldest),
                )
                for each in ages
            ]
            say_table([_AGES, *counts], right=True)
        return 0 if ages else await nothing_fits(container, which)


def _show(options: argparse.Namespace) -> int:
    return asyncio.run(_showing(options))


async def _showing(options: argparse.Namespace) -> int:
    which = {"order_id": options.order, "event_id": options.event}
    async with inbox(settings_of(InboxSettings)) as container:
        events = await whole_events(container.engine(), container.group(), **which)
        audit = await notes(container.engine(), container.group(), limit=_NOTES, **which)
    if not events:
        complain("The inbox has nothing of it: look at its id, and for it in the topic and the outbox.")
        return FAILED
    say_json({"events": events, "audit": audit}, indent=True)
    return 0


def _cells(event: StuckEvent) -> tuple[str, ...]:
    return (
        event.order_id or "?",
        str(event.seq or "?"),
        event.state,
        event.error_class or "",
        event.code or "",
        event.event_type,
        event.event_id,
        _time(event.since),
        event.missing,
        event.why,
    )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
