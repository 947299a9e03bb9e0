"""The keys of requests that must not create two orders."""

from kits.postgres.migration_steps import run

revision = "2026_11_21_1130"
down_revision = "2026_11_21_1100"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.idempotency_keys (
            customer_id text NOT NULL,
            route text NOT NULL,
            key text NOT NULL,
            request_hash bytea NOT NULL,
            order_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            CONSTRAINT pk_idempotency_keys PRIMARY KEY (customer_id, route, key)
        )
        """,
        "CREATE INDEX ix_idempotency_keys_created_at ON {schema}.idempotency_keys (created_at)",
    )
