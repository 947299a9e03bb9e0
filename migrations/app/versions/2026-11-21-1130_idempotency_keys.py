"""The keys of requests that must not create two orders."""

from alembic import op

revision = "2026_11_21_1130"
down_revision = "2026_11_21_1100"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute(
        """
        CREATE TABLE idempotency_keys (
            customer_id text NOT NULL,
            route text NOT NULL,
            key text NOT NULL,
            request_hash bytea NOT NULL,
            order_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (customer_id, route, key)
        )
        """
    )
    op.execute("CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at)")
