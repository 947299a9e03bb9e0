"""The inbox: what was received, where each partition goes on, and what all workers of a group share."""

from kits.postgres.migration_steps import run

revision = "202611272200"
down_revision = "202611252100"

_EVENT = """
CREATE TABLE {schema}.inbox_event (
    consumer_group text NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C",
    seq bigint,
    was_seq bigint,
    is_first boolean NOT NULL DEFAULT false,
    event_type text NOT NULL DEFAULT '',
    payload bytea,
    payload_size integer NOT NULL DEFAULT 0,
    topic text NOT NULL,
    topic_id uuid,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    record_key bytea,
    headers bytea,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    token uuid,
    claim integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    delivered_at timestamptz,
    dead_at timestamptz,
    given_up_at timestamptz,
    replayed_at timestamptz,
    redriven_at timestamptz,
    notice_of text,
    attempts integer NOT NULL DEFAULT 0,
    error_class text,
    error_code text,
    error_message text,
    first_failed_at timestamptz,
    last_failed_at timestamptz,
    last_began_at timestamptz,
    dlq_due_at timestamptz,
    dlq_copied_at timestamptz,
    CONSTRAINT pk_inbox_event PRIMARY KEY (event_id, consumer_group),
    CONSTRAINT ck_inbox_event_seq CHECK (seq >= 1),
    CONSTRAINT ck_inbox_event_number_has_key CHECK (seq IS NULL OR order_id IS NOT NULL)
)
"""

_PARTITION = """
CREATE TABLE {schema}.inbox_partition (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid,
    next_offset bigint NOT NULL,
    first_offset bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_inbox_partition PRIMARY KEY (consumer_group, topic, partition),
    CONSTRAINT ck_inbox_partition_next_offset CHECK (next_offset >= 0)
) WITH (fillfactor = 50)
"""

_GROUP = """
CREATE TABLE {schema}.inbox_group (
    consumer_group text NOT NULL,
    success_began_at timestamptz,
    opened_at timestamptz,
    judged bigint NOT NULL DEFAULT 0,
    deaths bigint[] NOT NULL DEFAULT '{}',
    tripped_at timestamptz,
    trip jsonb,
    CONSTRAINT pk_inbox_group PRIMARY KEY (consumer_group)
) WITH (fillfactor = 50)
"""

_AUDIT = """
CREATE TABLE {schema}.inbox_audit (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    consumer_group text NOT NULL,
    order_id text,
    event_id text,
    reason text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    CONSTRAINT pk_inbox_audit PRIMARY KEY (id)
)
"""

_NUMBERS = """
CREATE UNIQUE INDEX uq_inbox_event_order_seq ON {schema}.inbox_event (order_id, seq, consumer_group)
"""

_WAITING = """
CREATE INDEX ix_inbox_event_waiting ON {schema}.inbox_event (consumer_group, due_at, event_id)
    WHERE delivered_at IS NULL AND dead_at IS NULL AND given_up_at IS NULL
"""

_DEAD = """
CREATE INDEX ix_inbox_event_dead ON {schema}.inbox_event (consumer_group, dead_at, event_id)
    WHERE dead_at IS NOT NULL AND delivered_at IS NULL AND given_up_at IS NULL
"""

_TO_COPY = """
CREATE INDEX ix_inbox_event_to_copy ON {schema}.inbox_event (consumer_group, order_id, event_id)
    WHERE (dead_at IS NOT NULL OR redriven_at IS NOT NULL) AND dlq_copied_at IS NULL
"""

_AUDIT_AT = """
CREATE INDEX ix_inbox_audit_at ON {schema}.inbox_audit (consumer_group, at)
"""


def upgrade() -> None:
    run(_EVENT, _PARTITION, _GROUP, _AUDIT, _NUMBERS, _WAITING, _DEAD, _TO_COPY, _AUDIT_AT)
