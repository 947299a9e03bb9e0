"""The storm guard's row: a group that stands because of too many dead letters stands after a restart too."""

from kits.postgres.migration_steps import run

revision = "202611252100"
down_revision = "202611221000"

_DELIVERY_STORM = """
CREATE TABLE {schema}.delivery_storm (
    consumer_group text NOT NULL,
    tripped_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    event_ids text[] NOT NULL,
    released_at timestamptz,
    CONSTRAINT pk_delivery_storm PRIMARY KEY (consumer_group)
)
"""


def upgrade() -> None:
    run(_DELIVERY_STORM)
