"""The members, and the events of their changes."""

from kits.postgres.migration_steps import run

revision = "202611281100"
down_revision = None

_MEMBER = """
CREATE TABLE {schema}.member (
    id text COLLATE "C" CONSTRAINT pk_member PRIMARY KEY,
    first_name text NOT NULL,
    last_name text NOT NULL,
    version integer NOT NULL CONSTRAINT ck_member_version CHECK (version >= 1),
    updated_at timestamptz NOT NULL
) WITH (fillfactor = 50)
"""

# Each row is written once and updated once or twice soon after: vacuum by count, not by share.
_EVENT = """
CREATE TABLE {schema}.member_event (
    id uuid CONSTRAINT pk_member_event PRIMARY KEY,
    key text NOT NULL,
    number integer,
    was_number integer,
    payload bytea NOT NULL,
    payload_size integer NOT NULL,
    topic text NOT NULL,
    member_id text NOT NULL,
    changed_at timestamptz NOT NULL,
    traceparent text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    token uuid,
    claim bigint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    done_at timestamptz,
    partition integer,
    "offset" bigint,
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    dead_at timestamptz,
    given_up_at timestamptz,
    replayed_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)
"""

_NUMBERS = """
CREATE UNIQUE INDEX uq_member_event_key_number ON {schema}.member_event (key, number)
"""

_WAITING = """
CREATE INDEX ix_member_event_waiting ON {schema}.member_event (due_at, id)
    WHERE done_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
"""

_DEAD = """
CREATE INDEX ix_member_event_dead ON {schema}.member_event (id)
    WHERE dead_at IS NOT NULL AND done_at IS NULL AND given_up_at IS NULL
"""


def upgrade() -> None:
    run(_MEMBER, _EVENT, _NUMBERS, _WAITING, _DEAD)
