"""The read model of the worker's group `cg-order`. Only adds a table: the previous build runs on it."""

from kits.postgres.migration_steps import run

revision = "2026_11_28_0920"
down_revision = "2026_11_28_0910"


def upgrade() -> None:
    run(
        """
        CREATE TABLE {schema}.order_status (
            order_id text CONSTRAINT pk_order_status PRIMARY KEY,
            status text NOT NULL,
            version bigint NOT NULL,
            occurred_at timestamptz NOT NULL,
            written_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """
    )
