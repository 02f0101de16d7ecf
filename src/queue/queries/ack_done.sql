-- Acknowledge attempts that are done, fenced by token: what nearly every job comes to, so it is kept
-- lean. $1 worker, then arrays: id, token, report, microseconds run.
-- Plan: one primary-key probe per job; the rows leave jobs_hot for jobs_history in the same statement.
WITH a AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) AS x(id, token, report, ran_us)
),
gone AS (
    DELETE FROM jobs_hot h USING a
    WHERE h.id = a.id AND h.token = a.token
    RETURNING h.id, h.token, h.lane, h.kind, h.version, h.priority, h.attempt, h.max_attempts, h.snoozes,
        h.rescues, h.run_id, h.created_at, h.run_at, h.started_at, h.args, a.report, a.ran_us
),
put AS (
    INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts,
        snoozes, rescues, run_id, created_at, run_at, started_at, finished_at, worker, args, report)
    SELECT id, lane, kind, version, CASE WHEN priority < 0 THEN -1 - priority ELSE priority END,
        'done', attempt + (started_at IS NULL)::int, max_attempts, snoozes, rescues, run_id, created_at,
        run_at, now() - ran_us * interval '1 microsecond', now(), $1, args, report::jsonb
    FROM gone
),
ledger AS (
    UPDATE jobs_claims c SET open = c.open - spent.jobs
    FROM (SELECT token, lane, count(*) AS jobs FROM gone GROUP BY token, lane) spent
    WHERE c.token = spent.token AND c.lane = spent.lane
)
-- Whom it took in; their names only when somebody was refused.
SELECT count(*) AS "accepted!",
    CASE WHEN count(*) < cardinality($2) THEN array_agg(id) END AS ids,
    CASE WHEN count(*) < cardinality($2) THEN array_agg(token) END AS tokens
FROM gone
