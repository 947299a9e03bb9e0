"""Who retried or gave up a dead event, when, and why. Only adds a table: the previous build runs on it."""

from kits.postgres.migration_steps import run

revision = "2026_11_22_1000"
down_revision = "2026_11_22_0900"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.outbox_audit (
            id uuid CONSTRAINT pk_outbox_audit PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            action text NOT NULL CONSTRAINT ck_outbox_audit_action CHECK (action IN ('retry', 'abandon')),
            event_id uuid NOT NULL,
            order_id text NOT NULL,
            seq integer NOT NULL,
            reason text NOT NULL
        )
        """,
        "CREATE INDEX ix_outbox_audit_order_id_at ON {schema}.outbox_audit (order_id, at)",
    )
