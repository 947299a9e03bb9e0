-- What the build before the ordered queue runs on the outbox (its migrations end at 2026_11_27_1100), as it
-- compiled it. Each part begins with its name and the names of its parameters, in the order of their numbers.

-- insert: claimed token make_interval_1 make_interval_2 make_interval_3 make_interval_4 make_interval_5 make_interval_6 lease_seconds rows
INSERT INTO public.outbox_event (event_id, aggregate_type, aggregate_id, seq, event_type, event_version, topic, payload, occurred_at, key, headers, lease_token, lease_until) SELECT new_row.event_id, new_row.aggregate_type, new_row.aggregate_id, new_row.seq, new_row.event_type, new_row.event_version, new_row.topic, decode(new_row.payload, 'base64') AS decode_1, new_row.occurred_at, convert_to(new_row.aggregate_id, 'UTF8') AS convert_to_1, jsonb_strip_nulls(jsonb_build_object('traceparent', nullif(new_row.traceparent, ''))) AS jsonb_strip_nulls_1, CASE WHEN ($1::BOOLEAN AND new_row.seq = min(new_row.seq) OVER (PARTITION BY new_row.aggregate_type, new_row.aggregate_id) AND NOT (EXISTS (SELECT 1 
FROM public.outbox_event AS earlier 
WHERE earlier.aggregate_type = new_row.aggregate_type AND earlier.aggregate_id = new_row.aggregate_id AND earlier.seq < new_row.seq AND coalesce(earlier.published_at, 'infinity') = 'infinity' AND earlier.abandoned_at IS NULL
 LIMIT ALL OFFSET 0))) THEN $2::UUID END AS anon_2, CASE WHEN ($1::BOOLEAN AND new_row.seq = min(new_row.seq) OVER (PARTITION BY new_row.aggregate_type, new_row.aggregate_id) AND NOT (EXISTS (SELECT 1 
FROM public.outbox_event AS earlier 
WHERE earlier.aggregate_type = new_row.aggregate_type AND earlier.aggregate_id = new_row.aggregate_id AND earlier.seq < new_row.seq AND coalesce(earlier.published_at, 'infinity') = 'infinity' AND earlier.abandoned_at IS NULL
 LIMIT ALL OFFSET 0))) THEN clock_timestamp() + make_interval($3::INTEGER, $4::INTEGER, $5::INTEGER, $6::INTEGER, $7::INTEGER, $8::INTEGER, $9::FLOAT) END AS anon_3 
FROM json_to_recordset(CAST($10::VARCHAR AS JSON)) AS new_row(event_id UUID, aggregate_type TEXT, aggregate_id TEXT, seq INTEGER, event_type TEXT, event_version SMALLINT, topic TEXT, payload TEXT, occurred_at TIMESTAMP WITH TIME ZONE, traceparent TEXT) RETURNING public.outbox_event.event_id, public.outbox_event.lease_token IS NOT NULL AS anon_1

-- claim: token make_interval_1 make_interval_2 make_interval_3 make_interval_4 make_interval_5 make_interval_6 lease_seconds attempts_1 limit
WITH heads AS 
(SELECT public.outbox_event.event_id AS event_id 
FROM public.outbox_event 
WHERE published_at IS NULL AND abandoned_at IS NULL AND public.outbox_event.dead_at IS NULL AND (public.outbox_event.lease_until IS NULL OR public.outbox_event.lease_until < clock_timestamp()) AND (public.outbox_event.next_attempt_at IS NULL OR public.outbox_event.next_attempt_at <= clock_timestamp()) AND NOT (EXISTS (SELECT 1 
FROM public.outbox_event AS earlier 
WHERE earlier.aggregate_type = public.outbox_event.aggregate_type AND earlier.aggregate_id = public.outbox_event.aggregate_id AND earlier.seq < public.outbox_event.seq AND coalesce(earlier.published_at, 'infinity') = 'infinity' AND earlier.abandoned_at IS NULL
 LIMIT ALL OFFSET 0)) ORDER BY public.outbox_event.event_id 
 LIMIT $10::INTEGER FOR UPDATE SKIP LOCKED)
 UPDATE public.outbox_event SET lease_token=$1::UUID, lease_until=(clock_timestamp() + make_interval($2::INTEGER, $3::INTEGER, $4::INTEGER, $5::INTEGER, $6::INTEGER, $7::INTEGER, $8::FLOAT)), attempts=(public.outbox_event.attempts + $9::INTEGER) FROM heads WHERE public.outbox_event.event_id = heads.event_id RETURNING public.outbox_event.event_id, public.outbox_event.aggregate_type, public.outbox_event.aggregate_id, public.outbox_event.seq, public.outbox_event.event_type, public.outbox_event.event_version, public.outbox_event.topic, public.outbox_event.key, public.outbox_event.payload, public.outbox_event.headers, public.outbox_event.occurred_at, public.outbox_event.published_at, public.outbox_event.partition, public.outbox_event."offset", public.outbox_event.lease_token, public.outbox_event.lease_until, public.outbox_event.attempts, public.outbox_event.next_attempt_at, public.outbox_event.last_error, public.outbox_event.dead_at, public.outbox_event.abandoned_at

-- renew: make_interval_1 make_interval_2 make_interval_3 make_interval_4 make_interval_5 make_interval_6 lease_seconds rows
UPDATE public.outbox_event SET lease_until=(clock_timestamp() + make_interval($1::INTEGER, $2::INTEGER, $3::INTEGER, $4::INTEGER, $5::INTEGER, $6::INTEGER, $7::FLOAT)) FROM json_to_recordset(CAST($8::VARCHAR AS JSON)) AS claimed(event_id UUID, token UUID) WHERE public.outbox_event.event_id = claimed.event_id AND public.outbox_event.lease_token = claimed.token RETURNING public.outbox_event.event_id

-- published: rows
WITH changed AS 
(UPDATE public.outbox_event SET published_at=clock_timestamp(), partition=sent.partition, "offset"=sent."offset", lease_token=NULL, lease_until=NULL, last_error=NULL FROM json_to_recordset(CAST($1::VARCHAR AS JSON)) AS sent(event_id UUID, token UUID, partition INTEGER, "offset" BIGINT) WHERE public.outbox_event.event_id = sent.event_id AND public.outbox_event.lease_token = sent.token RETURNING public.outbox_event.event_id)
 SELECT count(*) AS count_1 
FROM changed

-- failed: make_interval_1 make_interval_2 make_interval_3 make_interval_4 make_interval_5 make_interval_6 rows
WITH changed AS 
(UPDATE public.outbox_event SET lease_token=NULL, lease_until=NULL, next_attempt_at=(clock_timestamp() + make_interval($1::INTEGER, $2::INTEGER, $3::INTEGER, $4::INTEGER, $5::INTEGER, $6::INTEGER, failed.wait_seconds)), last_error=failed.error, dead_at=CASE WHEN failed.dead THEN clock_timestamp() END FROM json_to_recordset(CAST($7::VARCHAR AS JSON)) AS failed(event_id UUID, token UUID, error TEXT, wait_seconds DOUBLE PRECISION, dead BOOLEAN) WHERE public.outbox_event.event_id = failed.event_id AND public.outbox_event.lease_token = failed.token RETURNING public.outbox_event.event_id)
 SELECT count(*) AS count_1 
FROM changed
