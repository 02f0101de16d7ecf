-- Jobs below an id, newest first. $1 state, $2 kind, $3 queue, $4 run (each NULL for any),
-- $5 below this id, $6 rows, $7 partner, $8 arguments contained, $9 words in the error or the reason, $10 enqueued after,
-- $11 enqueued before, $12 ids. Plan: both sides walk their id index downwards and stop at $6; when few will match ($13: arguments or
-- words are asked for) they are read whole instead, in parallel. Needs a plan for the values (`filter_options`).
SELECT j.* FROM (
    (SELECT h.id AS "id!", l.queue AS "queue!", l.partner AS "partner!", h.kind AS "kind!", h.version AS "version!",
        CASE WHEN h.priority < 0 THEN -1 - h.priority ELSE h.priority END::smallint AS "priority!",
        CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running' WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END AS "state!",
        h.attempt AS "attempt!", h.max_attempts AS "max_attempts!", h.snoozes AS "snoozes!", h.rescues AS "rescues!",
        h.run_id, h.created_at AS "created_at!", h.run_at AS "run_at!", h.started_at, NULL::timestamptz AS finished_at,
        (SELECT c.worker FROM jobs_claims c WHERE c.token = h.token AND c.lane = h.lane) AS worker,
        h.why, h.progress, h.args AS "args!", NULL::jsonb AS report, NULL::jsonb AS error
    FROM jobs_hot h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $5 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::bigint IS NULL OR h.run_id = $4)
      AND ($1::text IS NULL OR $1 = CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running'
                                         WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END)
      AND ($7::text IS NULL OR l.partner = $7) AND ($8::jsonb IS NULL OR h.args @> $8)
      AND ($9::text IS NULL OR position(lower($9) IN lower(h.why)) > 0)
      AND ($10::timestamptz IS NULL OR h.created_at >= $10) AND ($11::timestamptz IS NULL OR h.created_at < $11)
      AND ($12::bigint[] IS NULL OR h.id = ANY($12))
    ORDER BY CASE WHEN $13::bool THEN h.id + 0 ELSE h.id END DESC LIMIT $6)
    UNION ALL
    (SELECT h.id, l.queue, l.partner, h.kind, h.version, h.priority, h.state, h.attempt, h.max_attempts, h.snoozes,
        h.rescues, h.run_id, h.created_at, h.run_at, h.started_at, h.finished_at, h.worker, NULL, NULL, h.args, h.report, h.error
    FROM jobs_history h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $5 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::bigint IS NULL OR h.run_id = $4) AND ($1::text IS NULL OR h.state = $1)
      AND ($7::text IS NULL OR l.partner = $7) AND ($8::jsonb IS NULL OR h.args @> $8)
      AND ($9::text IS NULL OR position(lower($9) IN lower(h.error ->> 'message')) > 0)
      AND ($10::timestamptz IS NULL OR h.created_at >= $10) AND ($11::timestamptz IS NULL OR h.created_at < $11)
      AND ($12::bigint[] IS NULL OR h.id = ANY($12))
    ORDER BY CASE WHEN $13::bool THEN h.id + 0 ELSE h.id END DESC LIMIT $6)
) j ORDER BY 1 DESC LIMIT $6
