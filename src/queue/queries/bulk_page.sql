-- Jobs of a filter below an id, newest first: what a bulk action looks at next. $1 states, $2 kind, $3 queue, $4 partner,
-- $5 run, $6 arguments contained, $7 words in the error or the reason, $8 enqueued after, $9 enqueued before, $10 below this
-- id, $11 rows, $12 ids. NULL for any. Plan: both sides walk their id index downwards and stop at $11.
SELECT j.id AS "id!", j.kind AS "kind!", j.state AS "state!", j.partner AS "partner!", j.args AS "args!" FROM (
    (SELECT h.id, h.kind, h.args, l.partner,
        CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running'
             WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END AS state
    FROM jobs_hot h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $10 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::text IS NULL OR l.partner = $4) AND ($5::bigint IS NULL OR h.run_id = $5)
      AND ($6::jsonb IS NULL OR h.args @> $6) AND ($7::text IS NULL OR position(lower($7) IN lower(h.why)) > 0)
      AND ($8::timestamptz IS NULL OR h.created_at >= $8) AND ($9::timestamptz IS NULL OR h.created_at < $9)
      AND ($12::bigint[] IS NULL OR h.id = ANY($12))
      AND ($1::text[] IS NULL OR CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running'
                                      WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END = ANY($1))
    ORDER BY h.id DESC LIMIT $11)
    UNION ALL
    (SELECT h.id, h.kind, h.args, l.partner, h.state
    FROM jobs_history h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $10 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::text IS NULL OR l.partner = $4) AND ($5::bigint IS NULL OR h.run_id = $5)
      AND ($6::jsonb IS NULL OR h.args @> $6)
      AND ($7::text IS NULL OR position(lower($7) IN lower(h.error ->> 'message')) > 0)
      AND ($8::timestamptz IS NULL OR h.created_at >= $8) AND ($9::timestamptz IS NULL OR h.created_at < $9)
      AND ($12::bigint[] IS NULL OR h.id = ANY($12))
      AND ($1::text[] IS NULL OR h.state = ANY($1))
    ORDER BY h.id DESC LIMIT $11)
) j ORDER BY 1 DESC LIMIT $11
