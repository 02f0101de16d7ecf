-- How many jobs a filter finds, by partner and state, of those up to an id; the parameters are those of bulk_page.sql, $10 below this
-- id. Plan: one pass over both tables; states that end badly are few and have an index of their own.
SELECT partner AS "partner!", state AS "state!", count(*) AS "jobs!" FROM (
    SELECT l.partner,
        CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running'
             WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END AS state
    FROM jobs_hot h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $10 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::text IS NULL OR l.partner = $4) AND ($5::bigint IS NULL OR h.run_id = $5)
      AND ($6::jsonb IS NULL OR h.args @> $6) AND ($7::text IS NULL OR position(lower($7) IN lower(h.why)) > 0)
      AND ($8::timestamptz IS NULL OR h.created_at >= $8) AND ($9::timestamptz IS NULL OR h.created_at < $9)
      AND ($11::bigint[] IS NULL OR h.id = ANY($11))
    UNION ALL
    SELECT l.partner, h.state
    FROM jobs_history h JOIN lanes l ON l.id = h.lane
    WHERE h.id < $10 AND ($2::text IS NULL OR h.kind = $2) AND ($3::text IS NULL OR l.queue = $3)
      AND ($4::text IS NULL OR l.partner = $4) AND ($5::bigint IS NULL OR h.run_id = $5)
      AND ($6::jsonb IS NULL OR h.args @> $6)
      AND ($7::text IS NULL OR position(lower($7) IN lower(h.error ->> 'message')) > 0)
      AND ($8::timestamptz IS NULL OR h.created_at >= $8) AND ($9::timestamptz IS NULL OR h.created_at < $9)
      AND ($11::bigint[] IS NULL OR h.id = ANY($11)) AND ($1::text[] IS NULL OR h.state = ANY($1))
) j WHERE $1::text[] IS NULL OR state = ANY($1)
GROUP BY 1, 2 ORDER BY 3 DESC
