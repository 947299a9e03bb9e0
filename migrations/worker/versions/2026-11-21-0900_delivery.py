"""The ledger: what was delivered, what is held, what is dead, and where the group began."""

from kits.postgres.migration_steps import run

revision = "202611210900"
down_revision = None

_DELIVERY = """
CREATE TABLE {schema}.delivery (
    consumer_group text NOT NULL,
    event_id text NOT NULL,
    order_id text,
    seq integer,
    event_type text NOT NULL DEFAULT '',
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    payload bytea,
    headers bytea,
    next_attempt_at timestamptz,
    error_class text,
    error_code text,
    error_message text,
    first_failed_at timestamptz,
    last_failed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_delivery PRIMARY KEY (consumer_group, event_id),
    CONSTRAINT ck_delivery_status
        CHECK (status IN ('delivered', 'retrying', 'dead', 'held', 'skipped', 'discarded')),
    CONSTRAINT ck_delivery_seq CHECK (seq >= 1),
    CONSTRAINT ck_delivery_payload_is_open_only
        CHECK (payload IS NULL OR status IN ('retrying', 'dead', 'held'))
)
"""

_DELIVERY_ORDER = """
CREATE TABLE {schema}.delivery_order (
    consumer_group text NOT NULL,
    order_id text NOT NULL,
    last_seq integer NOT NULL DEFAULT 0,
    blocked text,
    is_baseline boolean NOT NULL DEFAULT false,
    lease_token uuid,
    lease_until timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_delivery_order PRIMARY KEY (consumer_group, order_id),
    CONSTRAINT ck_delivery_order_last_seq CHECK (last_seq >= 0),
    CONSTRAINT ck_delivery_order_blocked CHECK (blocked IN ('dead', 'gap'))
) WITH (fillfactor = 80)
"""

_DELIVERY_PARTITION = """
CREATE TABLE {schema}.delivery_partition (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_delivery_partition PRIMARY KEY (consumer_group, topic, partition),
    CONSTRAINT ck_delivery_partition_first_offset CHECK (first_offset >= 0)
)
"""

_DELIVERY_AUDIT = """
CREATE TABLE {schema}.delivery_audit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    consumer_group text NOT NULL,
    order_id text,
    event_id text,
    reason text NOT NULL DEFAULT '',
    CONSTRAINT pk_delivery_audit PRIMARY KEY (id)
)
"""

_OPEN_ROWS = """
CREATE INDEX ix_delivery_open ON {schema}.delivery (consumer_group, order_id, seq)
    WHERE status IN ('dead', 'held', 'retrying')
"""

_BLOCKED_ORDERS = """
CREATE INDEX ix_delivery_order_blocked ON {schema}.delivery_order (consumer_group, order_id)
    WHERE blocked IS NOT NULL
"""


def upgrade() -> None:
    run(_DELIVERY, _DELIVERY_ORDER, _DELIVERY_PARTITION, _DELIVERY_AUDIT, _OPEN_ROWS, _BLOCKED_ORDERS)
