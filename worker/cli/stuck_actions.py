"""Entrance: `dlq redrive`, `skip`, `discard` and `release`: what an operator does about what is stuck."""

import argparse
import asyncio
from collections.abc import Sequence

from kits.ordered_queue.actions import MAX_ROWS
from kits.terminal.arguments import Commands, positive, rate
from kits.terminal.printing import complain, say, say_json
from worker.cli.environment import FAILED, USAGE_ERROR, settings_of
from worker.cli.inbox_access import add_filters, add_operator, chosen, inbox, note_of, nothing_fits
from worker.command_container import InboxCommands
from worker.inbox.operators.dead_letter_limit import release_limit
from worker.inbox.operators.operations import ActionResult, Target
from worker.inbox.operators.stuck import STUCK, State
from worker.settings import GivingUpSettings, InboxSettings

_REDRIVE = """\
Puts dead events back: the running workers send them again, each order's in its order, and then what is behind
them. It may be interrupted and repeated at any moment. An event that is refused again is dead again."""
_SKIP = """\
Gives up the event at the front of an order, or the numbers that are missing before it; the rest goes by
itself. The data platform is told of each number by order.event_skipped."""
_DISCARD = """\
Gives up everything that is open of an order, for good; later events of the order go. The data platform is
told of each number by order.event_skipped."""
_RELEASE = """\
Lets the group go on after the dead-letter limit has stopped it. Workers notice within seconds: one event goes
first, and the rest when the platform has taken it. What is refused again is dead, and counts."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    redrive = _action(commands, "redrive", "send it again", _REDRIVE)
    redrive.set_defaults(command=_redrive)
    redrive.add_argument("--rate", type=rate, metavar="N", help="at most N events per second (0.1 or more)")
    skip = _action(commands, "skip", "give up one event, or the missing numbers of a gap", _SKIP)
    skip.set_defaults(command=_give_up, whole=False, states=(State.DEAD, State.GAP, State.UNFILLED))
    skip.add_argument("--seq", type=positive, metavar="N", help="only this number of --order")
    discard = _action(commands, "discard", "give up everything that is open of an order", _DISCARD)
    discard.set_defaults(command=_give_up, whole=True, states=STUCK, seq=None)
    release = commands.add_parser("release", help="let the group go on", description=_RELEASE)
    release.set_defaults(command=_release)
    add_operator(release)


def _action(commands: Commands, name: str, short: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=short, description=description)
    parser.set_defaults(action=name)
    add_filters(parser, counted="events")
    add_operator(parser, reason_is_needed=name != "redrive")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    parser.add_argument("--yes", action="store_true", help="needed for more than one order")
    parser.add_argument("--json", action="store_true", help="a JSON array on stdout")
    return parser


def _redrive(options: argparse.Namespace) -> int:
    return asyncio.run(_redriving(options))


async def _redriving(options: argparse.Namespace) -> int:
    which = chosen(options, [State.DEAD])
    async with inbox(settings_of(InboxSettings)) as container:
        events = await container.stuck_events().listed(which)
        if not events:
            return await nothing_fits(container, which)
        is_dry = options.dry_run or _needs_yes(
            options, len({each.order_id or each.event_id for each in events})
        )
        note = note_of(options, "redrive", container)
        at_once = min(MAX_ROWS, max(1, int(options.rate or MAX_ROWS)))
        results: list[ActionResult] = []
        for first in range(0, len(events), at_once):
            if first and options.rate and not is_dry:
                await asyncio.sleep(at_once / options.rate)
            some = events[first : first + at_once]
            results += await container.operations().redrive(some, note, dry_run=is_dry)
    return _told(results, options, "put back", is_dry=is_dry)


def _give_up(options: argparse.Namespace) -> int:
    if options.seq is not None and options.order is None:
        complain("--seq names a number of one order: choose it with --order.")
        return USAGE_ERROR
    return asyncio.run(_giving_up(options))


async def _giving_up(options: argparse.Namespace) -> int:
    settings = settings_of(GivingUpSettings)
    async with inbox(settings) as container:
        targets = await _targets(container, options)
        if not targets:
            return await nothing_fits(container, chosen(options, options.states))
        is_dry = options.dry_run or _needs_yes(options, len(targets))
        note = note_of(options, options.action, container)
        results = [
            await container.operations().give_up(
                target,
                note,
                whole=options.whole,
                tells=settings.data_platform.skip_notices,
                dry_run=is_dry,
            )
            for target in targets
        ]
    return _told(results, options, "given up", is_dry=is_dry)


async def _targets(container: InboxCommands, options: argparse.Namespace) -> Sequence[Target]:
    if options.event is not None and not options.whole:
        return [Target(event_id=options.event)]
    if options.order is not None:
        return [Target(options.order, seq=options.seq)]
    events = await container.stuck_events().listed(chosen(options, options.states))
    # An event of no order is given up by itself.
    return list(
        dict.fromkeys(
            Target(each.order_id) if each.order_id else Target(event_id=each.event_id) for each in events
        )
    )


def _needs_yes(options: argparse.Namespace, orders: int) -> bool:
    """Whether more is meant than --order or --event, and nobody said --yes: then it is only shown."""
    if options.yes or orders <= 1:
        return False
    complain(f"Nothing is done: {orders} orders need --yes.")
    return True


def _told(results: Sequence[ActionResult], options: argparse.Namespace, done: str, *, is_dry: bool) -> int:
    left = [each for each in results if each.left]
    would_be = "would be " if is_dry else ""
    if options.json:
        say_json(results)
    else:
        for each in results if is_dry else left:
            of = f"order {each.order_id}" if each.order_id else f"event {each.event_id} (order unknown)"
            say(f"{of}: {each.done}: {each.left or f'would be {done}'}")
        say(f"{len(results) - len(left)} of {len(results)} {would_be}{done}, {len(left)} left.")
    if is_dry:
        return 0 if options.dry_run else USAGE_ERROR
    return FAILED if left else 0


def _release(options: argparse.Namespace) -> int:
    return asyncio.run(_releasing(options))


async def _releasing(options: argparse.Namespace) -> int:
    async with inbox(settings_of(InboxSettings)) as container:
        trip = await release_limit(container.engine(), note_of(options, "release", container))
    if trip is None:
        say("The dead-letter limit does not stand: there is nothing to release.")
        return 0
    say(
        "Released; one event is sent first. The limit stood for:",
        *(f"  {refusals}" for refusals in trip.tally),
    )
    return 0
