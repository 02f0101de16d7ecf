-- Put ended jobs back. $1 ids, $2 delays in microseconds, $3 attempts allowed, $4 unique keys, $5 who. A job that is not dead
-- or cancelled any more, or whose key another has now, stays where it is. Plan: the history's id index per partition.
WITH asked AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[]) AS u(id, delay_us, allowed, key)
),
-- Of two with one key only the newest comes back.
chosen AS (
    SELECT DISTINCT ON (h.kind, coalesce(a.key, 'id ' || h.id)) a.*
    FROM asked a JOIN jobs_history h ON h.id = a.id AND h.state IN ('dead', 'cancelled')
    WHERE a.key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs_hot u WHERE u.kind = h.kind AND u.unique_key = a.key)
    ORDER BY h.kind, coalesce(a.key, 'id ' || h.id), h.id DESC
),
gone AS (
    DELETE FROM jobs_history h USING chosen c WHERE h.id = c.id AND h.state IN ('dead', 'cancelled')
    RETURNING h.id, h.lane, h.kind, h.version, h.priority, h.state, h.attempt, h.snoozes, h.run_id, h.created_at,
        h.started_at, h.finished_at, h.worker, h.args, h.error, c.delay_us, c.allowed, c.key
),
-- The timeline keeps how it ended before.
kept AS (
    INSERT INTO job_attempts (job_id, attempt, outcome, started_at, ended_at, worker, error)
    SELECT id, attempt, state, started_at, finished_at, worker, error FROM gone
    UNION ALL
    SELECT id, attempt, 'retried by ' || $5::text, NULL, clock_timestamp(), NULL, NULL FROM gone
)
INSERT INTO jobs_hot (id, lane, kind, version, priority, run_at, attempt, max_attempts, snoozes, why, unique_key, run_id,
    created_at, args)
SELECT id, lane, kind, version, priority, clock_timestamp() + delay_us * interval '1 microsecond', attempt,
    least(attempt::int + greatest(allowed, 1), 32767), 0, 'retried by ' || $5::text, key, run_id, created_at, args
FROM gone
RETURNING id
