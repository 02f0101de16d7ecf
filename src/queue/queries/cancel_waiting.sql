-- End a job that is not claimed. $1 id, $2 who. Plan: one primary-key probe.
WITH gone AS (
    DELETE FROM jobs_hot WHERE id = $1 AND token IS NULL RETURNING *
)
, put AS (
    INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts, snoozes, rescues,
        run_id, created_at, run_at, finished_at, args, report)
    SELECT id, lane, kind, version, CASE WHEN priority < 0 THEN -1 - priority ELSE priority END, 'cancelled',
        attempt, max_attempts, snoozes, rescues, run_id, created_at, run_at, now(), args,
        jsonb_build_object('cancelled', 'by ' || $2::text)
    FROM gone
)
SELECT count(*) AS "ended!" FROM gone
