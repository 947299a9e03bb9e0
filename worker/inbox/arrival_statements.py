"""Inbox, SQL: how records that arrive are kept; `{schema}` has the tables, `:of_group` is the group.

OFFSET 0 keeps a subquery one by index per row: as a hashed one it would read the whole table. Rows are asked
for by id or number; what must not be an index's condition, or match a partial one, is written around it:
on a plan from the time of an empty table each of them would read all of a group, or all that is dead.
"""

_SENT = """json_to_recordset(CAST(:rows AS json)) AS sent (
           id text, key text, number bigint, payload text, is_first boolean, event_type text, topic text,
           topic_id uuid, partition integer, "offset" bigint, headers text)"""

# Always true, and taken for a few rows: so each is asked for by the index, and not the other way about.
_FEW = "sent.id IS NOT DISTINCT FROM sent.id"

# What a former build has delivered of these orders; it writes there no more.
DELIVERED = """
SELECT o.order_id, o.last_seq FROM {schema}.delivery_order o
 WHERE o.consumer_group = :of_group AND o.order_id = ANY(CAST(:keys AS text[])) AND o.last_seq > 0
"""
ANY_DELIVERED = """
SELECT EXISTS (SELECT 1 FROM {schema}.delivery_order o WHERE o.consumer_group = :of_group)
"""
WITHOUT_LOWER = """
SELECT sent.key FROM json_to_recordset(CAST(:rows AS json)) AS sent (key text, number bigint)
 WHERE NOT EXISTS (SELECT 1 FROM {schema}.inbox_event q
                    WHERE q.consumer_group = :of_group AND q.order_id = sent.key AND q.seq < sent.number
                   OFFSET 0)
"""
# An unreadable record only claims its number by a header.
YIELD = """
UPDATE {schema}.inbox_event q SET seq = NULL, was_seq = q.seq FROM $sent
 WHERE $few AND (q.consumer_group = :of_group) IS TRUE AND q.order_id = sent.key AND q.seq = sent.number
   AND q.event_id <> sent.id AND q.dead_at IS NOT NULL AND coalesce(q.delivered_at, q.given_up_at) IS NULL
   AND q.error_class = 'unreadable' RETURNING q.event_id
""".replace("$sent", _SENT).replace("$few", _FEW)
# Readable bytes of what was unreadable, or of what is to be replayed and has lost its own.
HEAL = """
UPDATE {schema}.inbox_event q
   SET payload = decode(sent.payload, 'base64'), payload_size = octet_length(decode(sent.payload, 'base64')),
       record_key = convert_to(sent.key, 'UTF8'), headers = decode(sent.headers, 'base64'),
       event_type = sent.event_type, topic = sent.topic, topic_id = sent.topic_id,
       partition = sent.partition, "offset" = sent."offset",
       order_id = sent.key, is_first = q.is_first OR sent.is_first,
       (seq, was_seq, given_up_at, error_class) = (
            SELECT CASE WHEN q.dead_at IS NULL THEN q.seq WHEN taken THEN NULL ELSE sent.number END,
                   CASE WHEN q.dead_at IS NULL THEN q.was_seq WHEN taken THEN sent.number END,
                   CASE WHEN taken THEN clock_timestamp() END,
                   CASE WHEN taken THEN 'number_conflict' END
              FROM (SELECT q.dead_at IS NOT NULL AND EXISTS (
                        SELECT 1 FROM {schema}.inbox_event o
                         WHERE o.consumer_group = :of_group AND o.order_id = sent.key
                           AND o.seq = sent.number AND o.event_id <> sent.id OFFSET 0) AS taken) number),
       dead_at = NULL, error_code = NULL, error_message = NULL, due_at = clock_timestamp()
  FROM $sent
 WHERE $few AND (q.consumer_group = :of_group) IS TRUE AND q.event_id = sent.id
   AND coalesce(q.delivered_at, q.given_up_at) IS NULL
   AND (q.dead_at IS NOT NULL AND q.error_class = 'unreadable'
        OR q.dead_at IS NULL AND q.payload IS NULL)
RETURNING q.event_id
""".replace("$sent", _SENT).replace("$few", _FEW)
# The first of a number has it, if it is free.
KEEP = """
INSERT INTO {schema}.inbox_event (
       consumer_group, event_id, order_id, seq, was_seq, is_first, event_type, payload, payload_size,
       topic, topic_id, partition, "offset", record_key, headers, dead_at, given_up_at,
       error_class, error_code, error_message, first_failed_at, last_failed_at)
SELECT :of_group, event_id, order_id, CASE WHEN has_number THEN seq END,
       CASE WHEN NOT has_number THEN seq END, has_number AND is_first, event_type, bytes,
       coalesce(octet_length(bytes), 0), topic, topic_id, partition, "offset",
       decode(record_key, 'base64'), decode(headers, 'base64'),
       CASE WHEN is_dead THEN clock_timestamp() END, CASE WHEN NOT is_dead THEN clock_timestamp() END,
       error_class, code, message, clock_timestamp(), clock_timestamp()
  FROM (SELECT sent.*, decode(sent.payload, 'base64') AS bytes,
               CAST(:numbered AS boolean) AND is_dead AND order_id IS NOT NULL AND seq IS NOT NULL
               AND row_number() OVER (PARTITION BY order_id, seq ORDER BY topic, partition, "offset") = 1
               AND NOT EXISTS (SELECT 1 FROM {schema}.inbox_event q
                                WHERE q.consumer_group = :of_group AND q.order_id = sent.order_id
                                  AND q.seq = sent.seq OFFSET 0) AS has_number
          FROM json_to_recordset(CAST(:rows AS json)) AS sent (
               event_id text, order_id text, seq bigint, is_first boolean, event_type text, payload text,
               topic text, topic_id uuid, partition integer, "offset" bigint, record_key text, headers text,
               is_dead boolean, error_class text, code text, message text)) kept
 ORDER BY order_id, seq, event_id
ON CONFLICT DO NOTHING RETURNING event_id
"""
