"""The storm guard's row: a group that stands because of too many dead letters stands after a restart too."""

from alembic import op

revision = "202611252100"
down_revision = "202611221000"

_DELIVERY_STORM = """
CREATE TABLE delivery.delivery_storm (
    consumer_group text NOT NULL,
    tripped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_ids text[] NOT NULL,
    released_at timestamptz,
    CONSTRAINT pk_delivery_storm PRIMARY KEY (consumer_group)
)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute(_DELIVERY_STORM)
