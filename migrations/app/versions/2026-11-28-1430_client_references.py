"""A customer's own name for an order; unique where there is one. Only adds: the previous build writes none.

The index is built beside the orders: on a big table it takes minutes.
"""

from kits.postgres.concurrent_indexes import ConcurrentIndex
from kits.postgres.migration_steps import run

revision = "2026_11_28_1430"
down_revision = "2026_11_28_1400"

CONCURRENT_INDEXES = (
    ConcurrentIndex(
        "uq_orders_client_reference_customer_id",
        "orders",
        "(client_reference, customer_id) WHERE client_reference IS NOT NULL",
        is_unique=True,
    ),
)


def upgrade() -> None:
    run("ALTER TABLE {schema}.orders ADD COLUMN client_reference text")
