"""Entrance: `outbox republish`: published events once more, for readers that lost some."""

import argparse
import asyncio
import sys

from app.cli.environment import USAGE_ERROR, database, settings_of
from app.outbox.operations import Published
from app.settings import DatabaseCommandSettings
from kits.terminal.arguments import Commands, moment, natural, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain, say

_REPUBLISH = """\
Sends published events to Kafka once more, under the same ids and in each order's own order: what a seek has
passed over, or what a topic has lost. Readers that know them drop them. The outbox has them for as long as it
keeps published events (OUTBOX_RETENTION_DAYS). It may be interrupted and repeated."""


def add_command(actions: Commands) -> None:
    """Tell the parser about it."""
    parser = actions.add_parser("republish", help="send published events once more", description=_REPUBLISH)
    parser.set_defaults(command=_republish)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--order", metavar="ID", type=words, help="those of this order")
    which.add_argument("--since", metavar="T", type=moment, help="published then or later")
    which.add_argument("--partition", metavar="P", type=natural, help="of this partition, with --from, --to")
    parser.add_argument("--from", dest="first", metavar="A", type=natural, help="from this offset on")
    parser.add_argument("--to", dest="last", metavar="B", type=natural, help="up to this one, included")
    parser.add_argument("--dry-run", action="store_true", help="count them, and do nothing")
    parser.add_argument("--reason", type=words, metavar="TEXT", help="why; kept in the audit; required")
    parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")


def _republish(options: argparse.Namespace) -> int:
    if wrong := _wrong(options):
        complain(wrong)
        return USAGE_ERROR
    return asyncio.run(_republishing(options))


def _wrong(options: argparse.Namespace) -> str:
    whole = options.first is not None and options.last is not None
    if options.partition is not None and not whole:
        return "--partition needs --from and --to."
    if options.partition is None and (options.first is not None or options.last is not None):
        return "--from and --to need --partition."
    if whole and options.first > options.last:
        return "--from lies behind --to."
    return "" if options.dry_run or options.reason else "--reason is needed, but for --dry-run."


async def _republishing(options: argparse.Namespace) -> int:
    chosen = Published(
        order_id=options.order,
        since=options.since,
        partition=options.partition,
        first_offset=options.first or 0,
        last_offset=options.last if options.last is not None else sys.maxsize,
    )
    async with database(settings_of(DatabaseCommandSettings)) as container:
        operations = container.outbox_operations()
        if options.dry_run:
            say(f"Published events that would be sent once more: {await operations.count(chosen)}.")
            return 0
        actor = options.by or system_user()
        count = await operations.republish(chosen, actor=actor, reason=options.reason)
    say(f"Published events that are sent once more: {count}.")
    return 0
