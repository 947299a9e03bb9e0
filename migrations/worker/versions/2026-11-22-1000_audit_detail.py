"""What exactly an operator's action touched, beside who, when and why. An older build writes it empty."""

from alembic import op

revision = "202611221000"
down_revision = "202611210900"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("ALTER TABLE delivery.delivery_audit ADD COLUMN detail text NOT NULL DEFAULT ''")
