"""What exactly an operator's action touched, beside who, when and why. An older build writes it empty."""

from kits.postgres.migration_steps import run

revision = "202611221000"
down_revision = "202611210900"


def upgrade() -> None:
    run("ALTER TABLE {schema}.delivery_audit ADD COLUMN detail text NOT NULL DEFAULT ''")
