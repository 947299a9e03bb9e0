"""Entrance: `catalogue audit`, who changed products, coupons and stock, when and why."""

import argparse
import asyncio
from collections.abc import Mapping
from datetime import datetime

import msgspec

from app.application.catalogue_ports import CatalogueAuditReader, RecordedChange, RecordedMovement
from app.cli.environment import database, settings_of
from app.domain.coupon import normal_code
from app.settings import DatabaseCommandSettings
from kits.terminal.arguments import Commands, positive, words
from kits.terminal.printing import say, say_json

_AUDIT = """\
Who changed products and coupons, and who moved stock, newest first: by a door, an import or `stock add`.
What orders take from the stock, and what comes back from them, is in the orders."""
_LIMIT = 50


class Audited(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One line of `catalogue audit --json`; `quantity` and `stock` are of movements, before and after not."""

    at: datetime
    by: str
    kind: str
    subject: str
    reason: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None
    quantity: int | None = None
    stock: int | None = None


def add_command(group: Commands) -> None:
    """Tell the parser about it."""
    audit = group.add_parser("audit", help="who changed what", description=_AUDIT)
    audit.set_defaults(command=_audit)
    subject = audit.add_mutually_exclusive_group()
    subject.add_argument("--product", metavar="ID", type=words, help="of this product and its stock")
    subject.add_argument("--coupon", metavar="CODE", type=words, help="of this coupon")
    audit.add_argument(
        "--limit", metavar="N", type=positive, default=_LIMIT, help=f"how many at most (default: {_LIMIT})"
    )
    audit.add_argument("--json", action="store_true", help="a JSON array on stdout")


def _audit(options: argparse.Namespace) -> int:
    lines = asyncio.run(_reading(options))
    if options.json:
        say_json(lines)
    else:
        say(*([_line(each) for each in lines] or ["Nothing was changed."]))
    return 0


async def _reading(options: argparse.Namespace) -> list[Audited]:
    async with database(settings_of(DatabaseCommandSettings)) as container:
        reader: CatalogueAuditReader = container.catalogue_reader()
        code = normal_code(options.coupon) if options.coupon else None
        changes = await reader.changes(product_id=options.product, code=code, limit=options.limit)
        moved = [] if code else await reader.movements(options.product, limit=options.limit)
    lines = [*map(_change, changes), *map(_movement, moved)]
    return sorted(lines, key=lambda line: line.at, reverse=True)[: options.limit]


def _change(change: RecordedChange) -> Audited:
    return Audited(
        at=change.at,
        by=change.editor.actor,
        kind=change.kind,
        subject=change.subject,
        reason=change.editor.source,
        before=change.before,
        after=change.after,
    )


def _movement(done: RecordedMovement) -> Audited:
    return Audited(
        at=done.at,
        by=done.movement.actor,
        kind="stock",
        subject=done.movement.product_id,
        reason=done.movement.reason,
        quantity=done.movement.delta,
        stock=done.stock_after,
    )


def _line(line: Audited) -> str:
    what = f"{line.at:%Y-%m-%dT%H:%M:%SZ}  {line.by}  {line.kind} {line.subject}"
    return f"{what}  {_difference(line)}  ({line.reason})"


def _difference(line: Audited) -> str:
    if line.after is None:
        return f"{line.quantity:+} makes {line.stock}"
    if line.before is None:
        given = {name: value for name, value in line.after.items() if value is not None}
        return f"new: {', '.join(f'{name} {value}' for name, value in given.items())}"
    before, after = line.before, line.after
    names = [name for name in after if before.get(name) != after[name]]
    return ", ".join(f"{name} {_shown(before.get(name))} -> {_shown(after[name])}" for name in names)


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
