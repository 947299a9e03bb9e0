"""Entrance: `outbox list`, `retry`, `abandon` and `republish`, for events that Kafka refused or lost."""

import argparse
import asyncio

from kits.observability.logs import get_logger
from kits.terminal.arguments import Commands, words
from kits.terminal.operator import system_user
from kits.terminal.printing import say
from services.members.cli.environment import database
from services.members.outbox.operations import DeadEvent, OutboxOperations

log = get_logger(__name__)

_ABANDON = """\
Gives dead events up, so that later changes of their members go on. The next change of such a member tells
everything anew: every event says the whole name."""
_REPUBLISH = """\
Sends the newest event of every member to Kafka once more, in each version that is told: what a topic has
lost, or what version 1 missed while it was not told. Readers drop what they know by its version. It works
in transactions of 200 members beside running processes, and may be interrupted and repeated."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    outbox = commands.add_parser(
        "outbox", help="events that Kafka refused or lost: list, retry, abandon, republish"
    )
    inner = outbox.add_subparsers(metavar="action", title="actions", required=True)
    inner.add_parser("list", help="the dead events").set_defaults(command=_list)
    retry = inner.add_parser("retry", help="let the relay send them again, after the topic was mended")
    retry.set_defaults(command=_retry)
    abandon = inner.add_parser("abandon", help="give them up", description=_ABANDON)
    abandon.set_defaults(command=_abandon)
    for parser in (retry, abandon):
        parser.add_argument("--member", metavar="ID", type=words, help="of this member (default: all)")
    republish = inner.add_parser("republish", help="send everything once more", description=_REPUBLISH)
    republish.set_defaults(command=_republish)
    republish.add_argument("--all", action="store_true", required=True, help="of every member")
    for parser in (retry, abandon, republish):
        parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")


def _list(_options: argparse.Namespace) -> int:
    say(*asyncio.run(_listing()))
    return 0


async def _listing() -> list[str]:
    async with database() as container:
        return [_line(event) for event in await container.operations().dead()] or ["No event is dead."]


def _retry(options: argparse.Namespace) -> int:
    say(f"Events that the next relay sends again: {asyncio.run(_changing(options, 'retry'))}.")
    return 0


def _abandon(options: argparse.Namespace) -> int:
    say(f"Events abandoned: {asyncio.run(_changing(options, 'abandon'))}.")
    return 0


async def _changing(options: argparse.Namespace, action: str) -> int:
    async with database() as container:
        operations: OutboxOperations = container.operations()
        ids = [event.event_id for event in await operations.dead(member_id=options.member)]
        count = await (operations.retry(ids) if action == "retry" else operations.abandon(ids))
    _note(options, action, count)
    return count


def _republish(options: argparse.Namespace) -> int:
    count = asyncio.run(_republishing())
    _note(options, "republish", count)
    say(f"Events that are sent once more: {count}.")
    return 0


async def _republishing() -> int:
    async with database() as container:
        return await container.republishing().all()


def _note(options: argparse.Namespace, action: str, count: int) -> None:
    log.info("outbox_changed_by_operator", operation=action, by=options.by or system_user(), events=count)


def _line(event: DeadEvent) -> str:
    return (
        f"member {event.member_id}  version {event.version}  {event.topic}  event {event.event_id}"
        f"  dead since {event.dead_at:%Y-%m-%dT%H:%M:%SZ}  {event.error or ''}".rstrip()
    )
