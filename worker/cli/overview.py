"""Entrance: `status`, the group in one look, and `audit list`, who did what to it."""

import argparse
import asyncio
from datetime import UTC, datetime

import msgspec

from kits.kafka.errors import KafkaError
from kits.terminal.arguments import Commands, moment, positive, subject
from kits.terminal.printing import complain, say, say_json, say_table
from worker.cli.environment import settings_of
from worker.cli.inbox_access import inbox, positions
from worker.cli.stuck_views import limit_lines
from worker.command_container import PositionCommands
from worker.inbox.operators.audit import notes
from worker.inbox.operators.dead_letter_limit import GroupView, group_view
from worker.inbox.operators.stuck import Ages, Filter
from worker.settings import InboxSettings, OffsetsSettings

_COLUMNS = ("AT", "WHO", "ACTION", "ORDER", "EVENT", "REASON", "DETAIL")


class Lag(msgspec.Struct, frozen=True, rename="camel"):
    """What the group has not read, and how long the first record of it has waited; or why nobody knows."""

    records: int | None = None
    seconds: float | None = None
    unknown: str = ""


class Overview(msgspec.Struct, frozen=True, rename="camel"):
    """What `status --json` prints."""

    group: str
    lag: Lag
    shared: GroupView
    stuck: list[Ages]


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    status = commands.add_parser("status", help="lag, dead-letter limit, last success, what is stuck")
    status.set_defaults(command=_status)
    status.add_argument("--json", action="store_true", help="a JSON object on stdout")
    audit = commands.add_parser("audit", help="who did what").add_subparsers(metavar="list", required=True)
    listed = audit.add_parser("list", help="the newest first")
    listed.set_defaults(command=_audit)
    listed.add_argument("--order", type=subject, metavar="ID")
    listed.add_argument("--event", type=subject, metavar="ID")
    listed.add_argument(
        "--action", metavar="NAME", help="redrive, skip, discard, release, replay, offsets_seek"
    )
    listed.add_argument("--since", metavar="T", type=moment, help="done then or later")
    listed.add_argument("--limit", metavar="N", type=positive, default=100, help="at most N (default: 100)")
    listed.add_argument("--json", action="store_true", help="a JSON array on stdout")


def _status(options: argparse.Namespace) -> int:
    return asyncio.run(_looking(options))


async def _looking(options: argparse.Namespace) -> int:
    async with positions(settings_of(OffsetsSettings)) as container:
        first = await limit_lines(container)
        shared = await group_view(container.engine(), container.group())
        lag, stuck = await _lag(container), await container.stuck_events().ages(Filter())
    found = Overview(container.group(), lag, shared, stuck)
    if options.json:
        say_json(found)
        return 0
    say(*first)
    kinds = ", ".join(f"{each.error_class} {_count(each)} (since {_ago(each.oldest)})" for each in stuck)
    read = lag.unknown or f"{lag.records} records, the first has waited {lag.seconds:.0f} s"
    say_table([
        ("group", found.group),
        ("lag", read),
        ("limit", "stands" if shared.tripped_at else "does not stand"),
        ("last success", _ago(shared.success_began_at)),
        ("last outage", f"{_ago(shared.opened_at)} (now: circuit_breaker_state in a worker's /metrics)"),
        ("stuck", kinds or "nothing"),
    ])  # fmt: skip
    return 0


async def _lag(container: PositionCommands) -> Lag:
    try:
        standing = await container.watch().measure()
    except KafkaError as error:
        return Lag(unknown=f"unknown: {error}")
    now = datetime.now(UTC).timestamp()
    return Lag(standing.lag, max((each.lag_seconds(now) for each in standing.partitions), default=0.0))


def _count(tally: Ages) -> int:
    return tally.hour + tally.day + tally.week + tally.longer


def _ago(moment: datetime | None) -> str:
    return "never" if moment is None else f"{(datetime.now(UTC) - moment).total_seconds():,.0f} s ago"


def _audit(options: argparse.Namespace) -> int:
    return asyncio.run(_auditing(options))


async def _auditing(options: argparse.Namespace) -> int:
    which = {
        "order_id": options.order,
        "event_id": options.event,
        "action": options.action,
        "at": options.since,
    }
    async with inbox(settings_of(InboxSettings)) as container:
        found = await notes(container.engine(), container.group(), limit=options.limit, **which)
    if options.json:
        say_json(found)
    elif found:
        say_table([_COLUMNS, *([str(v or "") for v in msgspec.structs.astuple(each)] for each in found)])
    else:
        complain("Nothing was done that fits.")
    return 0
