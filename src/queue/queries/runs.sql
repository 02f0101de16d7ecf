-- Runs with their progress, newest first. $1 one run or NULL, $2 below this id, $3 rows. Plan: the runs' primary key downwards,
-- then two index scans a run, jobs_hot_run and jobs_history_run.
SELECT r.id, r.cause, r.subject, r.started_at, hot.waiting AS "waiting!", hot.running AS "running!",
    past.done AS "done!", past.dead AS "dead!", past.cancelled AS "cancelled!", past.finished_at
FROM (SELECT * FROM runs WHERE id < $2 AND ($1::bigint IS NULL OR id = $1) ORDER BY id DESC LIMIT $3) r
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE token IS NULL AND started_at IS NULL) AS waiting,
        count(*) FILTER (WHERE token IS NOT NULL OR started_at IS NOT NULL) AS running
    FROM jobs_hot h WHERE h.run_id = r.id) hot
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'dead') AS dead,
        count(*) FILTER (WHERE state = 'cancelled') AS cancelled, max(finished_at) AS finished_at
    FROM jobs_history h WHERE h.run_id = r.id) past
ORDER BY r.id DESC
