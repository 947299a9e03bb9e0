"""An index for the orders whose time is over."""

from alembic import op

revision = "2026_11_21_1100"
down_revision = "2026_11_21_0900"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    # Only orders that still wait are in it: it stays as small as one lifetime's worth of orders.
    op.execute("CREATE INDEX ix_orders_pending_expires_at ON orders (expires_at) WHERE status = 'PENDING'")
