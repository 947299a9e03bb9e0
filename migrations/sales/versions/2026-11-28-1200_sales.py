"""The sales per minute of every build, how far its topic has been read, and which build is in force."""

from kits.postgres.migration_steps import run

revision = "202611281200"
down_revision = None

# Sums of amounts may outgrow any integer type. A minute is written many times while it lasts.
_SALES = """
CREATE TABLE {schema}.sales_per_minute (
    build text NOT NULL,
    minute timestamptz NOT NULL,
    currency text COLLATE "C" NOT NULL,
    orders bigint NOT NULL,
    pieces numeric NOT NULL,
    revenue numeric NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_sales_per_minute PRIMARY KEY (build, minute, currency)
) WITH (fillfactor = 70)
"""

_POSITION = """
CREATE TABLE {schema}.sales_position (
    build text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL,
    CONSTRAINT pk_sales_position PRIMARY KEY (build, partition)
) WITH (fillfactor = 50)
"""

_BUILD = """
CREATE TABLE {schema}.sales_build (
    name text CONSTRAINT pk_sales_build PRIMARY KEY,
    state text NOT NULL CONSTRAINT ck_sales_build_state
        CHECK (state IN ('building', 'in_force', 'former', 'removed')),
    since timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

_ONE_IN_FORCE = """
CREATE UNIQUE INDEX uq_sales_build_in_force ON {schema}.sales_build (state) WHERE state = 'in_force'
"""

_FIRST = """
INSERT INTO {schema}.sales_build (name, state) VALUES ('v1', 'in_force')
"""


def upgrade() -> None:
    run(_SALES, _POSITION, _BUILD, _ONE_IN_FORCE, _FIRST)
