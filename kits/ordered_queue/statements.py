"""Ordered queue, SQL: its statements; columns.py says what the words after `$` stand for."""

LOOK = 2000
"""Waiting rows that one look reads at most."""
COUNTED = 10_001
"""Where counting ends."""

# What is sent is numbered into runs (gaps and islands), and a run is claimed when the number before it allows
# it. It says why, since its snapshot may be old when it commits, and a row that is known may stand in a run:
# what its answer does not name is new, and claimed behind a done number; the last line about an id counts.
ENQUEUE = """
WITH numbered AS (
    SELECT *, octet_length(payload) AS size, $in_runs
      FROM $new_rows WINDOW by_key AS (PARTITION BY new.key ORDER BY new.number)
), $runs, inserted AS (
    INSERT INTO $queue (
           $id, $key, $number, $payload, $payload_size, $token, $claim, $lease_until $new_columns)
    SELECT id, key, number, payload, size,
           CASE WHEN predecessor IS NOT NULL THEN CAST(:token AS uuid) END,
           CASE WHEN predecessor IS NOT NULL THEN 1 ELSE 0 END,
           CASE WHEN predecessor IS NOT NULL THEN $lease_end END $new_values
      FROM runs ORDER BY key, number
    ON CONFLICT DO NOTHING RETURNING $id AS id
)
SELECT id, coalesce(predecessor, 'waits') FROM runs
 WHERE CAST(:claimed AS boolean) AND predecessor IS DISTINCT FROM 'done'
UNION ALL
SELECT id, CASE WHEN EXISTS (SELECT 1 FROM $queue q WHERE $ours AND q.$id = sent.id OFFSET 0) THEN 'known'
                ELSE 'taken' END
  FROM $sent_ids WHERE id NOT IN (SELECT id FROM inserted)
"""

# What does not fit is cut off behind the head of a run: an item without its predecessor is only given back.
CLAIM = """
WITH looked AS MATERIALIZED (
    SELECT q.$id AS id, q.$key AS key, q.$number AS number, q.$payload_size AS size, q.$due_at AS due $first,
           $is_due AND $unleased
           AND q.$payload IS NOT NULL AND q.$number IS NOT NULL AS is_ready
      FROM $queue q WHERE $scope AND $waiting
       AND (q.$due_at, q.$id) > (CAST(CAST(:after_due AS text) AS timestamptz), CAST(:after_id AS $id_type))
     ORDER BY q.$due_at, q.$id LIMIT CAST(:look AS bigint)
), numbered AS (
    SELECT new.id, new.key, new.number, new.size, new.due $begins, $in_runs
      FROM looked new WHERE new.is_ready WINDOW by_key AS (PARTITION BY new.key ORDER BY new.number)
), $runs, allowed AS (
    SELECT *, first_value(due) OVER (PARTITION BY key, run ORDER BY number) AS run_due
      FROM runs WHERE predecessor IS NOT NULL
), counted AS (
    SELECT *, row_number() OVER due AS nth, sum(size) OVER due - size AS bytes_before
      FROM allowed WINDOW due AS (ORDER BY run_due, key, number)
), locked AS (
    SELECT q.$id AS id, counted.predecessor FROM counted JOIN $queue q ON q.$id = counted.id
     WHERE counted.nth <= CAST(:limit AS bigint)
       AND (counted.nth = 1 OR counted.bytes_before < CAST(:max_bytes AS bigint))
       AND $ours AND $is_open AND $unleased
     ORDER BY q.$key, q.$number FOR UPDATE OF q SKIP LOCKED
), claimed AS (
    UPDATE $queue q SET $token = CAST(:token AS uuid), $claim = q.$claim + 1, $lease_until = $lease_end
      FROM locked WHERE $ours AND q.$id = locked.id RETURNING q.*, locked.predecessor AS known
)
SELECT (SELECT count(*) FROM looked) AS looked, (SELECT count(*) FROM counted) AS claimable,
       last.id AS last_id, CAST(last.due AS text) AS last_due, CAST(least(
           (SELECT min(due) FROM looked), statement_timestamp()) - interval '1 s' AS text) AS floor, claimed.*
  FROM (SELECT 1) one
  LEFT JOIN (SELECT id, due FROM looked ORDER BY due DESC, id DESC LIMIT 1) last ON TRUE
  LEFT JOIN claimed ON TRUE
"""

RENEW = """
UPDATE $queue q SET $lease_until = $lease_end
  FROM $sent_claims WHERE $mine AND $is_open RETURNING q.$id, q.$claim
"""

# What was done once and is sent again goes back to done when it is refused: it is no dead letter. An item
# that is given back has no kind, so each condition asks for what is known.
SETTLE = """
WITH settled AS (
    UPDATE $queue q
       SET $token = NULL, $lease_until = NULL, $attempts = $attempts_after,
           $due_at = CASE WHEN sent.wait_seconds > 0 THEN clock_timestamp()
                          + make_interval(secs => sent.wait_seconds) ELSE q.$due_at END,
           $dead_at = CASE WHEN $dying AND q.$replayed_at IS NULL THEN clock_timestamp() END,
           $done_at = CASE WHEN $becomes_done THEN clock_timestamp() END $forgets $owners_values
      FROM $sent_ends WHERE $mine AND $is_open RETURNING q.$id AS id, q.$dead_at IS NOT NULL AS is_dead
)
SELECT count(*), array_agg(id) FILTER (WHERE is_dead) FROM settled
"""

LOCKED = """
WITH free AS (
    SELECT q.$id AS id FROM $queue q WHERE $ours AND q.$id = ANY(CAST(:ids AS $id_type[]))
     ORDER BY q.$id FOR UPDATE OF q SKIP LOCKED
)
SELECT q.$id FROM $queue q
 WHERE $ours AND q.$id = ANY(CAST(:ids AS $id_type[])) AND q.$id NOT IN (SELECT id FROM free)
"""

DELETE = """
WITH looked AS MATERIALIZED (
    SELECT q.$id AS id, q.$key AS key, q.$number + 1 AS next FROM $queue q
     WHERE $scope AND q.$id > CAST(:after_id AS $id_type) ORDER BY q.$id LIMIT CAST(:limit AS bigint)
), old AS (
    SELECT q.$id AS id FROM looked sent JOIN $queue q ON q.$id = sent.id
     WHERE $few AND $ours AND ($deletable)
       AND $ended < clock_timestamp() - make_interval(days => CAST(:days AS int))
       AND ($ended < clock_timestamp() - make_interval(days => CAST(:key_days AS int)) OR $closed
            OR sent.next IS NULL
            OR EXISTS (SELECT 1 FROM $queue q WHERE $of_key = sent.key AND q.$number = sent.next
                          AND $over OFFSET 0))
     ORDER BY q.$id FOR UPDATE OF q SKIP LOCKED
), deleted AS (DELETE FROM $queue q USING old WHERE $ours AND q.$id = old.id RETURNING 1)
SELECT (SELECT count(*) FROM deleted), (SELECT count(*) FROM looked),
       (SELECT id FROM looked ORDER BY id DESC LIMIT 1)
"""

BACKLOG = """
WITH $open, dead AS MATERIALIZED (
    SELECT q.$key AS key, q.$number AS number FROM $queue q WHERE $scope AND $dead
     LIMIT CAST(:counted AS bigint)
)
SELECT (SELECT count(*) FROM waiting), (SELECT count(*) FROM dead), (SELECT count(*) FROM missing),
       (SELECT count(DISTINCT key) FROM (SELECT key FROM dead WHERE number IS NOT NULL
                                          UNION ALL SELECT key FROM missing) blocked),
       coalesce((SELECT CAST(extract(epoch FROM statement_timestamp() - min(born)) AS double precision)
                   FROM waiting), 0)
"""
GAPS = """
WITH $open
SELECT new.key, new.number,
       1 + coalesce((SELECT max(q.$number) FROM $queue q
                      WHERE $of_key = new.key AND q.$number < new.number), 0),
       CAST(extract(epoch FROM statement_timestamp() - new.due) AS double precision)
  FROM missing new ORDER BY new.due, new.id LIMIT CAST(:limit AS bigint)
"""

PUT_BACK = """
WITH $asked, changed AS (
    UPDATE $queue q SET $done_at = NULL, $dead_at = NULL, $attempts = 0, $token = NULL,
           $due_at = clock_timestamp() $put_back
      FROM locked WHERE $ours AND q.$id = locked.id AND locked.state = CAST(:state AS text)
    RETURNING q.$id AS id
) $outcome
"""
# What is replayed was done once, and is done again. A number goes to its notice, or stays if there is none.
GIVE_UP = """
WITH $asked, told AS (
    SELECT * FROM $sent_places
), changed AS (
    UPDATE $queue q
       SET $token = NULL, $lease_until = NULL,
           $done_at = CASE WHEN locked.state = 'replayed' THEN clock_timestamp() END,
           $given_up_at = CASE WHEN locked.state <> 'replayed' THEN clock_timestamp() END,
           ($number, $was_number) = (SELECT CASE WHEN count(*) = 0 THEN q.$number END,
                                            CASE WHEN count(*) = 0 THEN q.$was_number ELSE q.$number END
              FROM told WHERE told.key = q.$key AND told.number = q.$number AND locked.state <> 'replayed')
      FROM locked WHERE $ours AND q.$id = locked.id
       AND locked.state IN ('dead', 'unnumbered', 'unclaimed', 'replayed') RETURNING q.$id AS id
) $outcome
"""
# A notice stands where a number has no row and something waits behind it: there nothing later was sent.
NOTICES = """
WITH sent AS (
    SELECT * FROM $new_rows
), inserted AS (
    INSERT INTO $queue ($id, $key, $number, $payload, $payload_size, $claim $new_columns)
    SELECT id, key, number, payload, octet_length(payload), 0 $told_values
      FROM sent
     WHERE NOT EXISTS (SELECT 1 FROM $queue q WHERE $at_it OFFSET 0)
       AND NOT EXISTS (SELECT 1 FROM $queue q WHERE $behind_it
                          AND (q.$done_at IS NOT NULL OR q.$replayed_at IS NOT NULL) OFFSET 0)
       AND (EXISTS (SELECT 1 FROM $queue q WHERE $behind_it OFFSET 0)
            OR EXISTS (SELECT 1 FROM $queue q WHERE $handed_over OFFSET 0))
     ORDER BY key, number ON CONFLICT DO NOTHING RETURNING $id AS id
)
SELECT sent.id, inserted.id IS NOT NULL, inserted.id IS NULL
       AND EXISTS (SELECT 1 FROM $queue q WHERE $handed_over OFFSET 0)
       AND NOT EXISTS (SELECT 1 FROM $queue q WHERE $at_it OFFSET 0)
  FROM sent LEFT JOIN inserted USING (id)
"""
