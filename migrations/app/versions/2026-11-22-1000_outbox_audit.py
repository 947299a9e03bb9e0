"""Who retried or gave up a dead event, when, and why. Only adds a table: the previous build runs on it."""

from alembic import op

revision = "2026_11_22_1000"
down_revision = "2026_11_22_0900"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute(
        """
        CREATE TABLE outbox_audit (
            id uuid CONSTRAINT pk_outbox_audit PRIMARY KEY,
            at timestamptz NOT NULL DEFAULT clock_timestamp(),
            actor text NOT NULL,
            action text NOT NULL CONSTRAINT ck_outbox_audit_action CHECK (action IN ('retry', 'abandon')),
            event_id uuid NOT NULL,
            order_id text NOT NULL,
            seq integer NOT NULL,
            reason text NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX ix_outbox_audit_order_id_at ON outbox_audit (order_id, at)")
