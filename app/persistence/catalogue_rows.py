"""Persistence: what the rows of the catalogue and of its audits say."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from app.application.catalogue_ports import Editor, RecordedChange, RecordedMovement, StockMovement
from app.domain.coupon import Coupon, CouponKind


def coupon_of(row: Sequence[Any]) -> Coupon:
    """The coupon that a full row of `coupons` holds, without who used it."""
    code, kind, *rest = row
    return Coupon(code, CouponKind(kind), *rest)


def movement_of(row: Row[Any]) -> RecordedMovement:
    """The movement that a full row of `stock_audit` holds."""
    movement = StockMovement(row.id, row.product_id, row.delta, row.actor, row.reason)
    return RecordedMovement(movement, row.stock_after, row.at)


def change_of(row: Row[Any]) -> RecordedChange:
    """The change that a full row of `catalogue_audit` holds."""
    return RecordedChange(Editor(row.actor, row.source), row.kind, row.subject, row.before, row.after, row.at)
