"""Entrance: `outbox list`, `outbox retry` and `outbox abandon`, for events that Kafka refused for good."""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.cli import republishing
from app.cli.environment import USAGE_ERROR, database, settings_of
from app.outbox.operations import DeadEvent, OutboxOperations
from app.settings import DatabaseCommandSettings
from kits.terminal.arguments import Commands, event_id, words
from kits.terminal.operator import system_user
from kits.terminal.printing import complain, say, say_json

_ABANDON = """\
Gives dead events up. In the same transaction order.event_skipped takes the place of each, under the same
number, so that no reader sees a gap and the later events of the order go on. It cannot be taken back."""


class Listed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event of `outbox list --json`; times in RFC 3339, UTC."""

    order_id: str
    event_id: str
    seq: int
    event_type: str
    attempts: int
    error: str | None
    occurred_at: datetime
    dead_at: datetime


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    outbox = commands.add_parser(
        "outbox", help="events that Kafka refused or lost: list, retry, abandon, republish"
    )
    inner = outbox.add_subparsers(metavar="action", title="actions", required=True)
    listed = inner.add_parser("list", help="the dead events, oldest first")
    listed.set_defaults(command=_list)
    listed.add_argument("--json", action="store_true", help="a JSON array on stdout")
    retry = inner.add_parser("retry", help="let the relay send them again, after the topic was mended")
    retry.set_defaults(command=_retry)
    retry.add_argument("--reason", type=words, metavar="TEXT", help="why; kept in the audit")
    abandon = inner.add_parser("abandon", help="give them up", description=_ABANDON)
    abandon.set_defaults(command=_abandon)
    abandon.add_argument(
        "--reason", type=words, required=True, metavar="TEXT", help="why; kept in the audit, and told"
    )
    abandon.add_argument("--yes", action="store_true", help="needed for more than one event")
    republishing.add_command(inner)
    for parser in (listed, retry, abandon):
        parser.add_argument("--order", metavar="ID", type=words, help="of this order")
        parser.add_argument("--event", metavar="ID", type=event_id, help="this event")
    for parser in (retry, abandon):
        parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")


def _list(options: argparse.Namespace) -> int:
    return asyncio.run(_listing(options))


async def _listing(options: argparse.Namespace) -> int:
    async with database(settings_of(DatabaseCommandSettings)) as container:
        events = await _chosen(container.outbox_operations(), options)
    if options.json:
        say_json([_listed(event) for event in events])
    else:
        say(*_lines(events))
    return 0


def _retry(options: argparse.Namespace) -> int:
    return asyncio.run(_retrying(options))


async def _retrying(options: argparse.Namespace) -> int:
    async with database(settings_of(DatabaseCommandSettings)) as container:
        operations = container.outbox_operations()
        ids = [event.event_id for event in await _chosen(operations, options)]
        count = await operations.retry(ids, actor=options.by or system_user(), reason=options.reason or "")
    say(f"Events that the next relay sends again: {count}.")
    return 0


def _abandon(options: argparse.Namespace) -> int:
    return asyncio.run(_abandoning(options))


async def _abandoning(options: argparse.Namespace) -> int:
    async with database(settings_of(DatabaseCommandSettings)) as container:
        operations = container.outbox_operations()
        events = await _chosen(operations, options)
        if len(events) > 1 and not options.yes:
            say(*_lines(events))
            complain(f"Nothing was done: {len(events)} events need --yes.")
            return USAGE_ERROR
        count = await operations.abandon(
            [event.event_id for event in events],
            actor=options.by or system_user(),
            reason=options.reason,
        )
    say(f"Events abandoned, with order.event_skipped in their place: {count}.")
    return 0


async def _chosen(operations: OutboxOperations, options: argparse.Namespace) -> list[DeadEvent]:
    return await operations.dead(order_id=options.order, event_id=options.event)


def _listed(event: DeadEvent) -> Listed:
    return Listed(
        order_id=event.order_id,
        event_id=event.event_id,
        seq=event.seq,
        event_type=event.event_type,
        attempts=event.attempts,
        error=event.error,
        occurred_at=event.occurred_at,
        dead_at=event.dead_at,
    )


def _lines(events: Sequence[DeadEvent]) -> list[str]:
    lines = [
        f"order {event.order_id}  seq {event.seq}  {event.event_type}  event {event.event_id}"
        f"  dead since {event.dead_at:%Y-%m-%dT%H:%M:%SZ}  {event.error or ''}".rstrip()
        for event in events
    ]
    return lines or ["No event is dead."]
