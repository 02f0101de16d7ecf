-- Claim due jobs. $1 worker, $2 token (random, client-made), $3 max, $4.. lanes, priorities and
-- marks (run_at in microseconds, id), in the order they are to be looked at; $8 lease,
-- $9 most of one lane and priority, $10 seconds a job must have been due.
-- Plan: function scan over the lanes; for each, an index scan on jobs_ready that starts at the
-- mark, behind the dead tuples. The update changes no indexed column (HOT), but for a key that is taken only while its job is
-- queued: that is free from here on, in the same breath, so that nobody finds a key whose job has gone.
WITH pick AS MATERIALIZED (
    SELECT j.row_id, j.id, k.lane
    FROM unnest($4::int[], $5::smallint[], $6::bigint[], $7::bigint[]) AS k(lane, priority, mark, mark_id)
    CROSS JOIN LATERAL (
        SELECT h.ctid AS row_id, h.id
        FROM jobs_hot h
        WHERE h.lane = k.lane AND h.priority = k.priority AND h.token IS NULL
          AND h.run_at <= now() - $10::float8 * interval '1 second'
          AND (h.run_at, h.id) > ('epoch'::timestamptz + k.mark * interval '1 microsecond', k.mark_id)
        ORDER BY h.run_at, h.id
        LIMIT $9
        FOR UPDATE SKIP LOCKED
    ) j
    LIMIT $3
),
ledger AS (
    INSERT INTO jobs_claims (token, lane, worker, until, open, batch, ids)
    SELECT $2, lane, $1, now() + $8::float8 * interval '1 second', count(*),
           (SELECT count(*) FROM pick), array_agg(id)
    FROM pick GROUP BY lane
)
UPDATE jobs_hot h SET token = $2,
    unique_key = CASE WHEN h.unique_key LIKE 'queued:%' THEN NULL ELSE h.unique_key END
WHERE h.ctid = ANY (ARRAY(SELECT row_id FROM pick))
RETURNING h.id, h.lane, h.priority, h.kind, h.version, h.attempt, h.max_attempts, h.rescues, h.run_id,
    h.args::text AS "args!", h.run_at, h.created_at, now() AS "now!"
