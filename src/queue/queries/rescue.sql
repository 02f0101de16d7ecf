-- Return jobs whose lease ran out. $1 rescues allowed. A rescued job is quarantined (negative
-- priority) so that it is claimed alone; only one that was alone already counts towards poison.
-- Plan: jobs_claims is small; then one primary-key probe per job of a lost batch.
WITH lost AS (
    DELETE FROM jobs_claims c
    WHERE (c.token, c.lane) IN (
        SELECT token, lane FROM jobs_claims WHERE until < now()
        ORDER BY until LIMIT 50 FOR UPDATE SKIP LOCKED)
    RETURNING c.token, c.worker, c.batch = 1 AS alone, c.ids
),
counted AS (
    SELECT h.id, l.worker, l.alone, h.started_at, h.cancel_by IS NOT NULL AS asked,
        h.rescues + l.alone::int > $1::int
            OR (h.started_at IS NOT NULL AND h.attempt >= h.max_attempts) AS spent
    FROM lost l CROSS JOIN LATERAL unnest(l.ids) AS u(id)
    JOIN jobs_hot h ON h.id = u.id AND h.token = l.token
    FOR UPDATE OF h
),
-- What an operator has asked to end does not come back.
held AS (
    SELECT *, spent OR asked AS buried, asked AND NOT spent AS cancelled FROM counted
),
gone AS (
    DELETE FROM jobs_hot h USING held WHERE h.id = held.id AND held.buried
    RETURNING h.*, held.worker, held.alone, held.cancelled
),
put AS (
    INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts,
        snoozes, rescues, run_id, created_at, run_at, started_at, finished_at, worker, args, report, error)
    SELECT id, lane, kind, version, CASE WHEN priority < 0 THEN -1 - priority ELSE priority END,
        CASE WHEN cancelled THEN 'cancelled' ELSE 'dead' END, attempt, max_attempts, snoozes, rescues + alone::int, run_id, created_at, run_at,
        started_at, now(), worker, args,
        CASE WHEN cancelled THEN jsonb_build_object('cancelled', 'by ' || cancel_by) END,
        CASE WHEN NOT cancelled THEN jsonb_build_object('class', 'rescue', 'message',
            'worker ' || worker || ' vanished while running it, ' ||
            CASE WHEN rescues + alone::int > $1::int THEN 'and it was alone each time'
                 ELSE 'and its attempts are used' END) END
    FROM gone
),
back AS (
    UPDATE jobs_hot h
    SET token = NULL, started_at = NULL, progress = NULL, run_at = now(), rescues = h.rescues + held.alone::int,
        priority = CASE WHEN h.priority >= 0 THEN -1 - h.priority ELSE h.priority END,
        why = 'rescued from ' || held.worker
    FROM held WHERE h.id = held.id AND NOT held.buried
    RETURNING h.id, h.attempt, held.worker, held.started_at
),
kept AS (
    INSERT INTO job_attempts (job_id, attempt, outcome, started_at, worker, error)
    SELECT id, attempt, 'rescue', started_at, worker,
        jsonb_build_object('class', 'rescue', 'message', 'worker ' || worker || ' vanished')
    FROM back WHERE started_at IS NOT NULL
)
SELECT (SELECT count(*) FROM back) AS "returned!", (SELECT count(*) FROM gone) AS "buried!"
