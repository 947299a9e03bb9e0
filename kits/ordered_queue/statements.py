"""Ordered queue, SQL: its statements; columns.py says what the words after `$` stand for."""

LOOK = 2000
"""Waiting rows that one look reads at most."""
COUNTED = 10_001
"""Where counting ends."""

# What the table knows already is dropped, the rest is numbered into runs (gaps and islands), and a run is
# claimed when the number before it allows it. It says why, since its snapshot may be old when it commits:
# what its answer does not name is new, and claimed behind a done number; the last line about an id counts.
ENQUEUE = """
WITH sent AS MATERIALIZED (
    SELECT row.*, decode(row.payload, 'base64') AS bytes,
           EXISTS (SELECT 1 FROM $queue q WHERE $scope AND q.$id = row.id) AS is_known
      FROM json_to_recordset(CAST(:rows AS json)) AS row (
           id $id_type, key text, number bigint, payload text $new_types)
), new AS (
    SELECT *, number - row_number() OVER (PARTITION BY key ORDER BY number) AS run
      FROM (SELECT DISTINCT ON (key, number) * FROM sent WHERE NOT is_known ORDER BY key, number) sent
     WHERE NOT EXISTS (SELECT 1 FROM $queue q WHERE $scope AND q.$key = sent.key AND q.$number = sent.number)
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY key, run ORDER BY number) AS place FROM new
), judged AS (
    SELECT new.*, CASE WHEN CAST(:claimed AS boolean) AND place = 1 THEN $predecessor END AS known
      FROM placed new
), born AS (
    SELECT *, CASE WHEN place = 1 THEN known WHEN place > CAST(:longest_run AS bigint) THEN NULL
                   WHEN first_value(known) OVER run IS NOT NULL THEN 'own' END AS predecessor
      FROM judged WINDOW run AS (PARTITION BY key, run ORDER BY number)
), inserted AS (
    INSERT INTO $queue (
           $id, $key, $number, $payload, $payload_size, $token, $claim, $lease_until $new_columns)
    SELECT id, key, number, bytes, octet_length(bytes),
           CASE WHEN predecessor IS NOT NULL THEN CAST(:token AS uuid) END,
           CASE WHEN predecessor IS NOT NULL THEN 1 ELSE 0 END,
           CASE WHEN predecessor IS NOT NULL THEN $lease_end END $new_values
      FROM born ORDER BY key, number
    ON CONFLICT DO NOTHING RETURNING $id AS id
)
SELECT id, coalesce(predecessor, 'waits') FROM born
 WHERE CAST(:claimed AS boolean) AND predecessor IS DISTINCT FROM 'done'
UNION ALL SELECT id, 'taken' FROM sent WHERE NOT is_known AND id NOT IN (SELECT id FROM inserted)
UNION ALL SELECT id, 'known' FROM sent WHERE is_known
"""

# What does not fit is cut off behind the head of a run: an item without its predecessor is only given back.
CLAIM = """
WITH looked AS MATERIALIZED (
    SELECT q.* FROM $queue q
     WHERE $scope AND $waiting
       AND (q.$due_at, q.$id) > (CAST(CAST(:after_due AS text) AS timestamptz), CAST(:after_id AS $id_type))
     ORDER BY q.$due_at, q.$id LIMIT CAST(:look AS bigint)
), new AS (
    SELECT q.$id AS id, q.$key AS key, q.$number AS number, q.$payload_size AS size, q.$due_at AS due $first,
           q.$number - row_number() OVER (PARTITION BY q.$key ORDER BY q.$number) AS run
      FROM looked q WHERE q.$due_at <= statement_timestamp() AND $unleased
), placed AS (
    SELECT *, row_number() OVER (PARTITION BY key, run ORDER BY number) AS place FROM new
), judged AS (
    SELECT new.*, CASE WHEN place = 1 THEN $predecessor END AS known FROM placed new
), allowed AS (
    SELECT *, first_value(due) OVER run AS run_due, CASE WHEN place = 1 THEN known
                   WHEN first_value(known) OVER run IS NOT NULL THEN 'own' END AS predecessor
      FROM judged WHERE place <= CAST(:longest_run AS bigint)
    WINDOW run AS (PARTITION BY key, run ORDER BY number)
), counted AS (
    SELECT *, row_number() OVER due AS nth, sum(size) OVER due - size AS bytes_before
      FROM allowed WHERE predecessor IS NOT NULL WINDOW due AS (ORDER BY run_due, key, number)
), locked AS (
    SELECT q.$id AS id, counted.predecessor FROM counted JOIN $queue q ON q.$id = counted.id
     WHERE counted.nth <= CAST(:limit AS bigint)
       AND (counted.nth = 1 OR counted.bytes_before < CAST(:max_bytes AS bigint))
       AND $waiting AND $unleased
     ORDER BY q.$key, q.$number FOR UPDATE OF q SKIP LOCKED
), claimed AS (
    UPDATE $queue q SET $token = CAST(:token AS uuid), $claim = q.$claim + 1, $lease_until = $lease_end
      FROM locked WHERE q.$id = locked.id RETURNING q.*, locked.predecessor AS known
)
SELECT (SELECT count(*) FROM looked) AS looked, (SELECT count(*) FROM counted) AS claimable,
       last.id AS last_id, CAST(last.due AS text) AS last_due, claimed.*
  FROM (SELECT 1) one
  LEFT JOIN (SELECT $id AS id, $due_at AS due FROM looked
              ORDER BY $due_at DESC, $id DESC LIMIT 1) last ON TRUE
  LEFT JOIN claimed ON TRUE
"""

RENEW = """
UPDATE $queue q SET $lease_until = $lease_end
  FROM json_to_recordset(CAST(:rows AS json)) AS sent (id $id_type, nth bigint)
 WHERE $mine AND $waiting RETURNING q.$id, q.$claim
"""

DONE = """
WITH written AS (
    UPDATE $queue q
       SET $done_at = clock_timestamp(), $error = NULL, $token = NULL, $lease_until = NULL $written_values
      FROM json_to_recordset(CAST(:rows AS json)) AS sent (id $id_type, nth bigint $written_types)
     WHERE $mine AND $waiting RETURNING 1)
SELECT count(*) FROM written
"""

# What was done once and is sent again goes back to done when it is refused: it is no dead letter.
SETTLE = """
WITH written AS (
    UPDATE $queue q
       SET $token = NULL, $lease_until = NULL, $error = coalesce(sent.error, q.$error),
           $attempts = q.$attempts + CASE WHEN sent.failed THEN 1 ELSE 0 END,
           $due_at = CASE WHEN sent.wait_seconds = 0 THEN q.$due_at
                          ELSE clock_timestamp() + make_interval(secs => sent.wait_seconds) END,
           $dead_at = CASE WHEN sent.dead AND q.$replayed_at IS NULL THEN clock_timestamp() END,
           $done_at = CASE WHEN sent.dead AND q.$replayed_at IS NOT NULL THEN clock_timestamp() END
      FROM json_to_recordset(CAST(:rows AS json)) AS sent (
           id $id_type, nth bigint, wait_seconds double precision, dead boolean, failed boolean, error text)
     WHERE $mine AND $waiting RETURNING 1)
SELECT count(*) FROM written
"""

DELETE = """
WITH old AS (
    SELECT q.$id AS id FROM $queue q
     WHERE $scope AND $ended < clock_timestamp() - make_interval(days => CAST(:days AS int))
       AND ($ended < clock_timestamp() - make_interval(days => CAST(:key_days AS int)) OR $closed
            OR EXISTS (SELECT 1 FROM $queue after WHERE after.$key = q.$key AND after.$number = q.$number + 1
                          AND (after.$done_at IS NOT NULL OR after.$given_up_at IS NOT NULL)))
     ORDER BY q.$id LIMIT CAST(:limit AS bigint) FOR UPDATE SKIP LOCKED
), deleted AS (DELETE FROM $queue q USING old WHERE q.$id = old.id RETURNING 1)
SELECT count(*) FROM deleted
"""

BACKLOG = """
SELECT (SELECT count(*) FROM (
            SELECT 1 FROM $queue q WHERE $scope AND $waiting LIMIT CAST(:counted AS bigint)) bounded),
       (SELECT count(*) FROM (
            SELECT 1 FROM $queue q WHERE $scope AND $dead LIMIT CAST(:counted AS bigint)) bounded),
       coalesce((SELECT CAST(extract(epoch FROM statement_timestamp() - q.$due_at) AS double precision)
                   FROM $queue q WHERE $scope AND $waiting ORDER BY q.$due_at, q.$id LIMIT 1), 0)
"""
