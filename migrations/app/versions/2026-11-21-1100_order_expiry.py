"""An index for the orders whose time is over."""

from kits.postgres.migration_steps import run

revision = "2026_11_21_1100"
down_revision = "2026_11_21_0900"


def upgrade() -> None:
    # Only orders that still wait are in it: it stays as small as one lifetime's worth of orders.
    run("CREATE INDEX ix_orders_pending_expires_at ON {schema}.orders (expires_at) WHERE status = 'PENDING'")
