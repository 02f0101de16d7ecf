-- Redis engine: jobs whose lease ran out. $1 worker, then arrays: id, begun, attempts, rescues.
WITH a AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::bool[], $4::smallint[], $5::smallint[]) AS x(id, begun, attempt, rescues)
),
back AS (
    UPDATE jobs_hot h
    SET started_at = NULL, progress = NULL, run_at = now(), attempt = a.attempt, rescues = a.rescues,
        priority = CASE WHEN h.priority >= 0 THEN -1 - h.priority ELSE h.priority END,
        why = 'rescued from ' || $1::text
    FROM a WHERE h.id = a.id
)
INSERT INTO job_attempts (job_id, attempt, outcome, worker, error)
SELECT id, attempt, 'rescue', $1,
    jsonb_build_object('class', 'rescue', 'message', 'worker ' || $1::text || ' vanished')
FROM a WHERE begun
