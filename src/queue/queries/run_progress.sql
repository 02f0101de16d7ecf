-- Progress of some runs. Plan: two index scans, jobs_hot_run and jobs_history_run.
WITH hot AS (
    SELECT (token IS NOT NULL OR started_at IS NOT NULL) AS running, attempt FROM jobs_hot WHERE run_id = ANY($1)
),
past AS (
    SELECT state, attempt FROM jobs_history WHERE run_id = ANY($1)
)
SELECT (SELECT count(*) FROM hot WHERE NOT running) AS "waiting!",
       (SELECT count(*) FROM hot WHERE running) AS "running!",
       (SELECT count(*) FROM past WHERE state = 'done') AS "done!",
       (SELECT coalesce(sum(greatest(attempt - 1, 0)), 0) FROM past)::bigint AS "retried!",
       (SELECT count(*) FROM past WHERE state = 'dead') AS "dead!"
