"""Entrance: `dlq list` and `dlq show`: what is stuck, and why."""

import argparse
import asyncio
import base64
from datetime import datetime

import msgspec

from contracts.envelope import wire_time
from kits.kafka.records import Headers
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say, say_json, say_table
from worker.cli.dlq_filters import add_filters, wanted
from worker.cli.environment import FAILED, opened, settings_of
from worker.command_containers import ViewContainer
from worker.delivery.stuck import StuckEvent, Wanted
from worker.ledger.order_views import OrderView
from worker.settings import LedgerSettings

_COLUMNS = ("ORDER", "SEQ", "STATUS", "CLASS", "CODE", "TYPE", "EVENT", "SINCE")


class ListedEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of `dlq list --json`; times in RFC 3339, UTC."""

    order_id: str | None
    event_id: str
    seq: int | None
    event_type: str
    status: str
    error_class: str | None
    code: str | None
    message: str | None
    attempts: int
    first_failed_at: str | None
    last_failed_at: str | None


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did about an order."""

    at: str
    actor: str
    action: str
    reason: str
    detail: str


class ShownOrder(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What `dlq show --json` prints: `events` as in the list, `contents` by event id."""

    order_id: str | None
    last_seq: int
    blocked: str | None
    lease_until: str | None
    events: list[ListedEvent]
    contents: dict[str, dict[str, object]]
    audit: list[Note]


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    listed = commands.add_parser("list", help="what is stuck, oldest trouble first")
    listed.set_defaults(command=_list)
    add_filters(listed, counted="events")
    listed.add_argument("--json", action="store_true", help="a JSON array on stdout")
    show = commands.add_parser("show", help="everything about one order or event, with its bytes, as JSON")
    show.set_defaults(command=_show)
    show.add_argument("--json", action="store_true", help="as it is anyway")
    which = show.add_mutually_exclusive_group(required=True)
    which.add_argument("--order", metavar="ID")
    which.add_argument("--event", metavar="ID")


def _list(options: argparse.Namespace) -> int:
    events = asyncio.run(_listed(settings_of(LedgerSettings), wanted(options)))
    if options.json:
        say_json([_listed_event(event) for event in events])
    elif events:
        say_table([_COLUMNS, *map(_cells, events)])
    else:
        say("Nothing is stuck.")
    return 0


async def _listed(settings: LedgerSettings, which: Wanted) -> list[StuckEvent]:
    async with opened(ViewContainer(settings=settings)) as container:
        return await container.stuck_orders().listed(which)


def _show(options: argparse.Namespace) -> int:
    which = Wanted(order_id=options.order, event_id=options.event)
    view = asyncio.run(_viewed(settings_of(LedgerSettings), which))
    if view is None:
        complain("Nothing of it is stuck.")
        return FAILED
    say_json(_shown(view), indent=True)
    return 0


async def _viewed(settings: LedgerSettings, which: Wanted) -> OrderView | None:
    async with opened(ViewContainer(settings=settings)) as container:
        return await container.order_views().view(which)


def _listed_event(event: StuckEvent) -> ListedEvent:
    return ListedEvent(
        order_id=event.order_id,
        event_id=event.event_id,
        seq=event.seq,
        event_type=event.event_type,
        status=event.status,
        error_class=event.error_class,
        code=event.code,
        message=event.message,
        attempts=event.attempts,
        first_failed_at=_time(event.first_failed_at),
        last_failed_at=_time(event.last_failed_at),
    )


def _shown(view: OrderView) -> ShownOrder:
    return ShownOrder(
        order_id=view.order_id,
        last_seq=view.last_seq,
        blocked=view.blocked,
        lease_until=_time(view.lease_until),
        events=[_listed_event(event) for event in view.events],
        contents={
            event_id: {"headers": _headers(headers), "value": _readable(value)}
            for event_id, (headers, value) in view.contents.items()
        },
        audit=[
            Note(at=wire_time(at), actor=note.actor, action=note.action, reason=note.reason, detail=detail)
            for at, note, detail in view.audit
        ],
    )


def _headers(headers: Headers) -> list[list[str]]:
    return [[name, value.decode("utf-8", "backslashreplace")] for name, value in headers]


def _readable(value: bytes | None) -> object:
    """The JSON itself, or what else it may be."""
    if value is None:
        return None
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"base64": base64.b64encode(value).decode()}


def _cells(event: StuckEvent) -> tuple[str, ...]:
    return (
        event.order_id or "?",
        str(event.seq or "?"),
        event.status,
        event.error_class or "",
        event.code or "",
        event.event_type,
        event.event_id,
        _time(event.first_failed_at) or "",
    )


def _time(moment: datetime | None) -> str | None:
    return wire_time(moment) if moment else None
