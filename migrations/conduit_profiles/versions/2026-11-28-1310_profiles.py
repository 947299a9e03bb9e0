"""The copy of the users, who follows whom, and the requests that were carried out."""

from kits.postgres.migration_steps import run

revision = "202611281310"
down_revision = None

_PERSON = """
CREATE TABLE {schema}.person (
    id text COLLATE "C" CONSTRAINT pk_person PRIMARY KEY,
    username text NOT NULL,
    bio text,
    image text,
    version integer NOT NULL CONSTRAINT ck_person_version CHECK (version >= 1),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""

# Not unique: one user's event may overtake that of the user who gave the name away.
_NAME = """
CREATE INDEX ix_person_username ON {schema}.person (username)
"""

_FOLLOW = """
CREATE TABLE {schema}.follow (
    follower_id text COLLATE "C" NOT NULL,
    followed_id text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_follow PRIMARY KEY (follower_id, followed_id)
)
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
    run(_PERSON, _NAME, _FOLLOW, _REQUEST, _REQUEST_AGE)
