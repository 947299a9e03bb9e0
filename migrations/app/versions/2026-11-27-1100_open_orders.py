"""An index for counting a customer's unpaid orders, built beside them: on a big table it takes minutes."""

from kits.postgres.concurrent_indexes import ConcurrentIndex
from kits.postgres.migration_steps import run

revision = "2026_11_27_1100"
down_revision = "2026_11_27_1000"

CONCURRENT_INDEXES = (
    ConcurrentIndex("ix_orders_pending_customer_id", "orders", "(customer_id) WHERE status = 'PENDING'"),
)


def upgrade() -> None:
    run()
