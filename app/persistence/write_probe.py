"""Persistence: what the order service must be able to write, for its readiness."""

from sqlalchemy import Table, Text, cast, func, insert

from app.persistence.tables import coupon_uses, coupons, idempotency_keys, orders, payments, products
from kits.postgres.write_probe import WriteProbe

_A_NEW_KEY = insert(idempotency_keys).values(
    customer_id="",
    route="GET /readyz",
    key=cast(func.gen_random_uuid(), Text),
    request_hash=b"",
    order_id=func.gen_random_uuid(),
)
_RIGHTS = {
    products: ("SELECT", "UPDATE"),
    coupons: ("SELECT", "UPDATE"),
    coupon_uses: ("SELECT", "INSERT", "DELETE"),
    orders: ("SELECT", "INSERT", "UPDATE"),
    payments: ("SELECT", "INSERT"),
    idempotency_keys: ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


def shop_write_probe(outbox_table: Table) -> WriteProbe:
    """The shop's tables and the outbox's; serving needs no right on the audits."""
    rights = {**_RIGHTS, outbox_table: ("SELECT", "INSERT", "UPDATE", "DELETE")}
    return WriteProbe(rights, _A_NEW_KEY)
