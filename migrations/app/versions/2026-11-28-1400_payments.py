"""What was paid for orders, and at which version a request with a key has left its order. Only adds.

The build before this one pays orders without a row here, and its keys have no version.
"""

from kits.postgres.migration_steps import run

revision = "2026_11_28_1400"
down_revision = "2026_11_28_1200"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.payments (
            provider text NOT NULL,
            reference text NOT NULL,
            order_id uuid NOT NULL CONSTRAINT fk_payments_order_id REFERENCES {schema}.orders (id),
            amount bigint NOT NULL CONSTRAINT ck_payments_amount CHECK (amount >= 0),
            currency text NOT NULL,
            outcome text NOT NULL CONSTRAINT ck_payments_outcome CHECK (outcome IN ('accepted', 'refused')),
            status text NOT NULL,
            version integer NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT pk_payments PRIMARY KEY (provider, reference)
        )
        """,
        "CREATE UNIQUE INDEX uq_payments_order_id_version ON {schema}.payments (order_id, version)",
        """
        CREATE UNIQUE INDEX uq_payments_accepted_order_id ON {schema}.payments (order_id)
            WHERE outcome = 'accepted'
        """,
        "ALTER TABLE {schema}.idempotency_keys ADD COLUMN order_version integer",
    )
