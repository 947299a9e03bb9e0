"""The users, the events of their changes, and the requests that were carried out."""

from kits.postgres.migration_steps import run

revision = "202611281320"
down_revision = None

_ACCOUNT = """
CREATE TABLE {schema}.account (
    id text COLLATE "C" CONSTRAINT pk_account PRIMARY KEY,
    username text NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    bio text,
    image text,
    version integer NOT NULL CONSTRAINT ck_account_version CHECK (version >= 1),
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 80)
"""

_USERNAME = """
CREATE UNIQUE INDEX uq_account_username ON {schema}.account (username)
"""

_EMAIL = """
CREATE UNIQUE INDEX uq_account_email ON {schema}.account (lower(email))
"""

# Each row is written once and updated once or twice soon after: vacuum by count, not by share.
_EVENT = """
CREATE TABLE {schema}.user_event (
    id uuid CONSTRAINT pk_user_event PRIMARY KEY,
    key text NOT NULL,
    number integer,
    was_number integer,
    payload bytea NOT NULL,
    payload_size integer NOT NULL,
    topic text NOT NULL,
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
CREATE UNIQUE INDEX uq_user_event_key_number ON {schema}.user_event (key, number)
"""

_WAITING = """
CREATE INDEX ix_user_event_waiting ON {schema}.user_event (due_at, id)
    WHERE done_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
"""

_DEAD = """
CREATE INDEX ix_user_event_dead ON {schema}.user_event (id)
    WHERE dead_at IS NOT NULL AND done_at IS NULL AND given_up_at IS NULL
"""

_REQUEST = """
CREATE TABLE {schema}.rpc_request (
    id text CONSTRAINT pk_rpc_request PRIMARY KEY,
    is_answered boolean NOT NULL DEFAULT false,
    reply bytea,
    created_at timestamptz NOT NULL DEFAULT now()
)
"""

_REQUEST_AGE = """
CREATE INDEX ix_rpc_request_created_at ON {schema}.rpc_request (created_at)
"""


def upgrade() -> None:
    run(_ACCOUNT, _USERNAME, _EMAIL, _EVENT, _NUMBERS, _WAITING, _DEAD, _REQUEST, _REQUEST_AGE)
