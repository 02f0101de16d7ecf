-- Acknowledge attempts that did not end well, fenced by token. $1 worker, then arrays: id, token, code
-- (1 retry, 2 dead, 3 cancelled, 4 snooze, 5 hand back), delay, report, error, microseconds run, why.
-- Plan: one primary-key probe per job; finished rows leave jobs_hot for jobs_history in the same
-- statement, so a job is never in both or in neither.
WITH a AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::smallint[], $5::bigint[], $6::text[],
                         $7::text[], $8::bigint[], $9::text[])
        AS x(id, token, code, delay_us, report, error, ran_us, why)
),
gone AS (
    DELETE FROM jobs_hot h USING a
    -- An operator's word to end it counts for an attempt that would be tried again, too.
    WHERE h.id = a.id AND h.token = a.token AND (a.code IN (2, 3) OR h.cancel_by IS NOT NULL)
    RETURNING h.id, h.token, h.lane, h.kind, h.version, h.priority, h.attempt, h.max_attempts, h.snoozes,
        h.rescues, h.run_id, h.created_at, h.run_at, h.started_at, h.args, h.cancel_by, a.code, a.report, a.error, a.ran_us
),
put AS (
    INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts,
        snoozes, rescues, run_id, created_at, run_at, started_at, finished_at, worker, args, report, error)
    SELECT id, lane, kind, version, CASE WHEN priority < 0 THEN -1 - priority ELSE priority END,
        CASE code WHEN 2 THEN 'dead' ELSE 'cancelled' END,
        CASE WHEN code IN (4, 5) THEN attempt - (started_at IS NOT NULL)::int
             ELSE attempt + (started_at IS NULL)::int END, max_attempts, snoozes + (code = 4)::int, rescues, run_id, created_at,
        run_at, now() - ran_us * interval '1 microsecond', now(), $1, args,
        CASE WHEN code IN (2, 3) THEN report::jsonb ELSE jsonb_build_object('cancelled', 'by ' || cancel_by) END,
        error::jsonb
    FROM gone
),
again AS (
    UPDATE jobs_hot h
    SET token = NULL, started_at = NULL, progress = NULL, why = a.why,
        run_at = now() + a.delay_us * interval '1 microsecond',
        attempt = CASE a.code WHEN 1 THEN h.attempt + (h.started_at IS NULL)::int
                              ELSE h.attempt - (h.started_at IS NOT NULL)::int END,
        snoozes = h.snoozes + (a.code = 4)::int
    FROM a
    WHERE h.id = a.id AND h.token = a.token AND a.code IN (1, 4, 5) AND h.cancel_by IS NULL
    RETURNING h.id, h.lane, h.attempt, a.token, a.code, a.error, a.ran_us, a.why
),
kept AS (
    INSERT INTO job_attempts (job_id, attempt, outcome, started_at, worker, error)
    SELECT id, attempt + (code = 4)::int, CASE code WHEN 1 THEN 'retry' ELSE 'snooze' END,
        now() - ran_us * interval '1 microsecond', $1,
        coalesce(error::jsonb, jsonb_build_object('message', why))
    FROM again WHERE code IN (1, 4)
),
spent AS (
    SELECT token, lane, count(*) AS jobs
    FROM (SELECT token, lane FROM gone UNION ALL SELECT token, lane FROM again) s
    GROUP BY token, lane
),
ledger AS (
    UPDATE jobs_claims c SET open = c.open - spent.jobs
    FROM spent WHERE c.token = spent.token AND c.lane = spent.lane
)
-- Whom it took in; their names only when somebody was refused.
SELECT count(*) AS "accepted!",
    CASE WHEN count(*) < cardinality($2) THEN array_agg(id) END AS ids,
    CASE WHEN count(*) < cardinality($2) THEN array_agg(token) END AS tokens
FROM (SELECT id, token FROM gone UNION ALL SELECT id, token FROM again) t
