"""Inbox: what moves between the former build's ledger and the inbox, as SQL; `{schema}` holds both.

A row that moves is deleted where it was in the statement that writes it where it goes: an interrupted move is
repeated, and finds what is left. Names of orders are compared in the collation of the index that is to find
them: the ledger's has the database's, the inbox's has "C".
"""

ONE_AT_A_TIME = (
    "SELECT pg_advisory_xact_lock(hashtext('ledger migration'), hashtext(CAST(:of_group AS text)))"
)

# Of two open rows under one number, the readable one that came first has it. An unreadable one, which only
# claims it by a header, stays a dead letter without a number; a readable one is kept as given up. A number
# that the ledger counts as passed has ended there.
EVENTS = """
WITH chosen AS MATERIALIZED (
    SELECT d.*, coalesce(o.last_seq, 0) AS last_seq, coalesce(p.first_offset, 0) AS first_offset
      FROM (SELECT *, coalesce(d.error_class, '') = 'unreadable' AS is_unreadable FROM {schema}.delivery d
             WHERE d.consumer_group = :of_group AND d.status IN ('dead', 'held', 'retrying')
               AND NOT EXISTS (SELECT 1 FROM {schema}.delivery_order o
                                WHERE o.consumer_group = d.consumer_group AND o.order_id = d.order_id
                                  AND o.lease_until > statement_timestamp())
             ORDER BY d.order_id, d.seq, is_unreadable, d."offset"
             LIMIT CAST(:batch AS bigint) FOR UPDATE OF d) d
      LEFT JOIN {schema}.delivery_order o
        ON o.consumer_group = d.consumer_group AND o.order_id = d.order_id
      LEFT JOIN {schema}.delivery_partition p
        ON p.consumer_group = d.consumer_group AND p.topic = d.topic AND p.partition = d.partition
), numbered AS (
    SELECT c.*, CASE WHEN c.order_id IS NOT NULL AND c.seq > c.last_seq
                      AND row_number() OVER (
                          PARTITION BY c.order_id, c.seq ORDER BY c.is_unreadable, c."offset") = 1
                      AND NOT EXISTS (SELECT 1 FROM {schema}.inbox_event q
                                       WHERE q.consumer_group = c.consumer_group
                                         AND q.order_id = c.order_id AND q.seq = c.seq)
                     THEN c.seq END AS number
      FROM chosen c
), placed AS (
    SELECT n.*, n.number = n.last_seq + 1 OR (
               n.last_seq = 0 AND n.first_offset > 0 AND n.status = 'dead'
               AND n.number = min(n.number) OVER (PARTITION BY n.order_id)
               AND NOT EXISTS (SELECT 1 FROM {schema}.inbox_event q
                                WHERE q.consumer_group = n.consumer_group
                                  AND q.order_id = n.order_id AND q.seq < n.number)) AS is_first
      FROM numbered n
), inserted AS (
    INSERT INTO {schema}.inbox_event (
           consumer_group, event_id, order_id, seq, was_seq, is_first, event_type, payload, payload_size,
           topic, partition, "offset", record_key, headers, received_at, due_at, dead_at, given_up_at,
           attempts, error_class, error_code, error_message, first_failed_at, last_failed_at, dlq_copied_at)
    SELECT consumer_group, event_id, order_id, number, CASE WHEN number IS NULL THEN seq END,
           coalesce(is_first, FALSE), event_type, payload, coalesce(octet_length(payload), 0), topic,
           partition, "offset", key, headers, created_at, coalesce(next_attempt_at, clock_timestamp()),
           CASE WHEN status = 'dead' THEN updated_at END,
           CASE WHEN status <> 'dead' AND number IS NULL THEN clock_timestamp() END, attempts,
           CASE WHEN status <> 'dead' AND number IS NULL THEN 'number_conflict' WHEN status = 'held' THEN NULL
                WHEN error_class = 'configuration' THEN 'failing_alone' ELSE error_class END,
           CASE WHEN status <> 'held' THEN error_code END, CASE WHEN status <> 'held' THEN error_message END,
           first_failed_at, last_failed_at,
           -- The former build copied a dead letter before it wrote it down.
           CASE WHEN status = 'dead' THEN updated_at END
      FROM placed ORDER BY order_id, seq
    ON CONFLICT (consumer_group, event_id) DO NOTHING
), deleted AS (
    DELETE FROM {schema}.delivery d USING chosen c
     WHERE d.consumer_group = c.consumer_group AND d.event_id = c.event_id
)
SELECT status, count(*) FROM chosen GROUP BY status ORDER BY status
"""

# Those that an operator's command of the former build works on, at the end of a move.
LEFT = """
SELECT count(*) FROM {schema}.delivery d
 WHERE d.consumer_group = :of_group AND d.status IN ('dead', 'held', 'retrying')
"""

# What an old worker that was still alive delivered after its row had moved.
PASSED = """
WITH passed AS MATERIALIZED (
    SELECT q.event_id FROM {schema}.inbox_event q
     WHERE q.consumer_group = :of_group AND q.delivered_at IS NULL AND q.dead_at IS NULL
       AND q.given_up_at IS NULL AND q.topic_id IS NULL AND q.token IS NULL
       AND q.seq <= (SELECT o.last_seq FROM {schema}.delivery_order o
                      WHERE o.consumer_group = q.consumer_group AND o.order_id = q.order_id COLLATE "default")
    UNION ALL
    SELECT q.event_id FROM {schema}.inbox_event q
     WHERE q.consumer_group = :of_group AND q.dead_at IS NOT NULL AND q.delivered_at IS NULL
       AND q.given_up_at IS NULL AND q.topic_id IS NULL
       AND q.seq <= (SELECT o.last_seq FROM {schema}.delivery_order o
                      WHERE o.consumer_group = q.consumer_group AND o.order_id = q.order_id COLLATE "default")
)
UPDATE {schema}.inbox_event q
   SET delivered_at = clock_timestamp(), dead_at = NULL, payload = NULL, record_key = NULL, headers = NULL
  FROM passed WHERE q.consumer_group = :of_group AND q.event_id = passed.event_id
"""

_AUDIT = """
WITH moved AS (
    DELETE FROM {schema}.{source} WHERE id IN (
        SELECT id FROM {schema}.{source} WHERE consumer_group = :of_group
         ORDER BY id LIMIT CAST(:batch AS bigint))
    RETURNING *
), inserted AS (
    INSERT INTO {schema}.{target} (at, actor, action, consumer_group, order_id, event_id, reason, detail)
    SELECT at, actor, action, consumer_group, order_id, event_id, reason, detail FROM moved ORDER BY id
)
SELECT 'audited', count(*) FROM moved HAVING count(*) > 0
"""
AUDIT = _AUDIT.replace("{source}", "delivery_audit").replace("{target}", "inbox_audit")
AUDIT_BACK = _AUDIT.replace("{source}", "inbox_audit").replace("{target}", "delivery_audit")

# The row stays: an old worker that still lives stands by it. Released in the inbox since, it is over.
STORM = """
INSERT INTO {schema}.inbox_group AS g (consumer_group, tripped_at, trip)
SELECT s.consumer_group, s.tripped_at,
       jsonb_build_object('tally', jsonb_build_array(), 'event_ids', to_jsonb(s.event_ids[1:3]))
  FROM {schema}.delivery_storm s
 WHERE s.consumer_group = :of_group AND s.released_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM {schema}.inbox_audit a
                    WHERE a.consumer_group = s.consumer_group AND a.at >= s.tripped_at
                      AND a.action LIKE '%release')
ON CONFLICT (consumer_group) DO UPDATE SET tripped_at = EXCLUDED.tripped_at, trip = EXCLUDED.trip
 WHERE g.tripped_at IS NULL
"""

_ROWS = """INSERT INTO {schema}.delivery (
           consumer_group, event_id, order_id, seq, event_type, status, attempts, topic, partition, "offset",
           key, payload, headers, next_attempt_at, error_class, error_code, error_message, first_failed_at,
           last_failed_at, created_at)
    SELECT consumer_group, event_id, order_id, seq, event_type, status, attempts, topic, partition, "offset",
           CASE WHEN status IN ('dead', 'held', 'retrying') THEN record_key END,
           CASE WHEN status IN ('dead', 'held', 'retrying') THEN payload END,
           CASE WHEN status IN ('dead', 'held', 'retrying') THEN headers END,
           CASE WHEN status = 'retrying' THEN due_at END,
           CASE status WHEN 'held' THEN 'gap' WHEN 'dead' THEN coalesce(error_class, 'given_up')
                ELSE error_class END,
           error_code, error_message, first_failed_at, last_failed_at, received_at
      FROM told
    ON CONFLICT (consumer_group, event_id) DO NOTHING"""

# `reached`: below a done row everything has ended; what was given up directly above it has too. A number that
# was given up above an open one is a dead letter again: the ledger has no other word for it.
EVENTS_BACK = """
WITH first AS MATERIALIZED (
    SELECT order_id FROM {schema}.inbox_event
     WHERE consumer_group = :of_group AND order_id > :after
     ORDER BY order_id, seq LIMIT CAST(:batch AS bigint)
), moved AS (
    DELETE FROM {schema}.inbox_event q
     WHERE q.consumer_group = :of_group AND q.order_id IN (SELECT order_id FROM first) RETURNING q.*
), judged AS (
    SELECT *, CASE WHEN delivered_at IS NOT NULL OR replayed_at IS NOT NULL THEN 'done'
                   WHEN given_up_at IS NOT NULL THEN 'given up'
                   WHEN dead_at IS NOT NULL THEN 'dead' ELSE 'waiting' END AS state
      FROM moved
), based AS (
    SELECT j.order_id, greatest(coalesce(max(o.last_seq), 0), max(j.seq) FILTER (WHERE j.state = 'done'),
                                max(j.seq - 1) FILTER (WHERE j.is_first)) AS base
      FROM judged j LEFT JOIN {schema}.delivery_order o
        ON o.consumer_group = :of_group AND o.order_id = j.order_id COLLATE "default"
     GROUP BY j.order_id
), run AS (
    SELECT j.order_id, j.seq - b.base - row_number() OVER (PARTITION BY j.order_id ORDER BY j.seq) AS hole
      FROM judged j JOIN based b USING (order_id) WHERE j.state = 'given up' AND j.seq > b.base
), reached AS (
    SELECT b.order_id, b.base + count(run.hole) AS last
      FROM based b LEFT JOIN run ON run.order_id = b.order_id AND run.hole = 0 GROUP BY b.order_id, b.base
), told AS (
    SELECT j.*, r.last, CASE
               WHEN state = 'done' THEN 'delivered'
               WHEN state = 'given up' AND (seq IS NULL OR seq <= r.last) THEN 'discarded'
               WHEN state <> 'waiting' OR seq IS NULL OR payload IS NULL THEN 'dead'
               WHEN seq = r.last + 1 AND (attempts > 0 OR due_at > clock_timestamp()) THEN 'retrying'
               ELSE 'held' END AS status
      FROM judged j JOIN reached r USING (order_id)
), orders AS (
    INSERT INTO {schema}.delivery_order (consumer_group, order_id, last_seq, blocked)
    SELECT CAST(:of_group AS text), order_id, max(last), CASE WHEN bool_or(status = 'dead') THEN 'dead'
               WHEN bool_or(status IN ('held', 'retrying')) THEN 'gap' END
      FROM told GROUP BY order_id
    ON CONFLICT (consumer_group, order_id) DO UPDATE
       SET last_seq = EXCLUDED.last_seq, blocked = EXCLUDED.blocked, lease_token = NULL, lease_until = NULL,
           updated_at = clock_timestamp()
), rows AS (
    {rows}
)
SELECT status, count(*), max(order_id) FROM told GROUP BY status
""".replace("{rows}", _ROWS)

# Without a known order nothing waits its turn: what is not done or given up is for an operator to look at.
ALONE_BACK = """
WITH moved AS (
    DELETE FROM {schema}.inbox_event q WHERE q.consumer_group = :of_group AND q.event_id IN (
        SELECT event_id FROM {schema}.inbox_event
         WHERE consumer_group = :of_group AND order_id IS NULL LIMIT CAST(:batch AS bigint)) RETURNING q.*
), told AS (
    SELECT *, CASE WHEN delivered_at IS NOT NULL OR replayed_at IS NOT NULL THEN 'delivered'
                   WHEN given_up_at IS NOT NULL THEN 'discarded' ELSE 'dead' END AS status
      FROM moved
), rows AS (
    {rows}
)
SELECT status, count(*) FROM told GROUP BY status
""".replace("{rows}", _ROWS)

PARTITIONS_BACK = """
INSERT INTO {schema}.delivery_partition (consumer_group, topic, partition, first_offset)
SELECT consumer_group, topic, partition, first_offset FROM {schema}.inbox_partition
 WHERE consumer_group = :of_group
ON CONFLICT DO NOTHING
"""
STORM_BACK = """
INSERT INTO {schema}.delivery_storm AS s (consumer_group, tripped_at, event_ids)
SELECT consumer_group, coalesce(tripped_at, clock_timestamp()),
       ARRAY(SELECT jsonb_array_elements_text(coalesce(trip->'event_ids', '[]')))
  FROM {schema}.inbox_group WHERE consumer_group = :of_group AND tripped_at IS NOT NULL
ON CONFLICT (consumer_group) DO UPDATE
   SET tripped_at = EXCLUDED.tripped_at, event_ids = EXCLUDED.event_ids, released_at = NULL
"""
RELEASED_BACK = """
UPDATE {schema}.delivery_storm s SET released_at = clock_timestamp()
 WHERE consumer_group = :of_group AND released_at IS NULL
   AND NOT EXISTS (SELECT 1 FROM {schema}.inbox_group g
                    WHERE g.consumer_group = s.consumer_group AND g.tripped_at IS NOT NULL)
"""
FORGET_PARTITIONS = "DELETE FROM {schema}.inbox_partition WHERE consumer_group = :of_group"
FORGET_GROUP = "DELETE FROM {schema}.inbox_group WHERE consumer_group = :of_group"
POSITIONS = """
SELECT topic, partition, next_offset FROM {schema}.inbox_partition WHERE consumer_group = :of_group
"""
