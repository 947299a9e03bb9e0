"""Products have a seller, and the shop keeps a copy of the members' names: the table of `item-members`.

Only adds: the previous build writes products without a seller, and knows nothing of the copy.
"""

from kits.postgres.migration_steps import run

revision = "2026_11_28_1000"
down_revision = "2026_11_28_0920"


def upgrade() -> None:
    run(
        "ALTER TABLE {schema}.products ADD COLUMN seller_id text",
        """
        CREATE TABLE {schema}.member_replica (
            member_id text CONSTRAINT pk_member_replica PRIMARY KEY,
            name text NOT NULL,
            version bigint NOT NULL,
            as_of timestamptz NOT NULL,
            written_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )
        """,
    )
