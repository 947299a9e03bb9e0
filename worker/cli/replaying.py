"""Entrance: `replay`: delivered events once more, for a platform that lost some."""

import argparse
import asyncio

from kits.ordered_queue.actions import MAX_ROWS
from kits.terminal.arguments import Commands, moment, rate, subject
from kits.terminal.printing import complain, say
from worker.cli.environment import USAGE_ERROR, settings_of
from worker.cli.inbox_access import TYPES, add_operator, inbox, note_of, unknown_type
from worker.command_container import InboxCommands
from worker.inbox.operators.replays import Delivered, replay
from worker.settings import InboxSettings

_REPLAY = """\
Sends delivered events once more, with the same ids, each order's in its order, marked by X-Replay: true.
Their bytes are read from the topic again; what it has lost is listed by
`dlq list --error-class payload_lost`. What is refused this time is no dead letter. Interrupted, the same
command begins anew: repeats are marked too."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about it."""
    parser = commands.add_parser("replay", help="send delivered events once more", description=_REPLAY)
    parser.set_defaults(command=_replay)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--order", type=subject, metavar="ID", help="all of this order")
    which.add_argument("--event", type=subject, metavar="ID", help="this event")
    which.add_argument("--since", metavar="T", type=moment, help="what was delivered then or later")
    parser.add_argument("--until", metavar="T", type=moment, help="what was delivered before then")
    parser.add_argument("--type", type=subject, metavar="TYPE", help="only of this type, as in order.paid")
    parser.add_argument("--rate", type=rate, metavar="N", help="at most N events per second (0.1 or more)")
    parser.add_argument("--dry-run", action="store_true", help="count them, change nothing")
    parser.add_argument("--yes", action="store_true", help="needed with --since; without it, count them")
    add_operator(parser)


def _replay(options: argparse.Namespace) -> int:
    return asyncio.run(_replaying(options))


async def _replaying(options: argparse.Namespace) -> int:
    is_dry = options.dry_run or (options.since is not None and not options.yes)
    async with inbox(settings_of(InboxSettings)) as container:
        count = await _count(container, options, is_dry=is_dry)
    if not count and options.type not in {None, *TYPES}:
        return unknown_type(options.type)
    if not is_dry:
        say(f"{count} events come again.")
        return 0
    say(f"{count} events would come again.")
    if options.dry_run:
        return 0
    complain("Nothing was done: it needs --yes.")
    return USAGE_ERROR


async def _count(container: InboxCommands, options: argparse.Namespace, *, is_dry: bool) -> int:
    which = Delivered(options.order, options.event, options.type, options.since, options.until)
    at_once = min(MAX_ROWS, max(1, int(options.rate or MAX_ROWS)))
    count = 0
    note = note_of(options, "replay", container)
    async for some in replay(
        container.engine(), container.actions(), which, note, at_once=at_once, dry_run=is_dry
    ):
        count += some
        if options.rate and some and not is_dry:
            await asyncio.sleep(some / options.rate)
    return count
