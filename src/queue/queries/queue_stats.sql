-- Every queue as it stands. Plan: one pass over jobs_hot, the history's last five minutes by its block ranges, small tables.
WITH hot AS (
    SELECT l.queue,
        count(*) FILTER (WHERE h.token IS NULL AND h.started_at IS NULL AND h.run_at <= now()) AS ready,
        count(*) FILTER (WHERE h.token IS NULL AND h.started_at IS NULL AND h.run_at > now()) AS scheduled,
        count(*) FILTER (WHERE h.token IS NOT NULL OR h.started_at IS NOT NULL) AS running,
        max(extract(epoch FROM now() - h.run_at))
            FILTER (WHERE h.token IS NULL AND h.started_at IS NULL AND h.run_at <= now()) AS oldest
    FROM jobs_hot h JOIN lanes l ON l.id = h.lane GROUP BY 1
),
past AS (
    SELECT l.queue, count(*) FILTER (WHERE h.state = 'done') AS done, count(*) FILTER (WHERE h.state = 'dead') AS dead,
        percentile_cont(array[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM h.finished_at - h.run_at)::float8) AS took
    FROM jobs_history h JOIN lanes l ON l.id = h.lane
    WHERE h.finished_at > now() - interval '5 minutes' GROUP BY 1
)
SELECT l.queue AS "queue!", coalesce(hot.ready, 0) AS "ready!", coalesce(hot.scheduled, 0) AS "scheduled!",
    coalesce(hot.running, 0) AS "running!", coalesce(hot.oldest, 0)::float8 AS "oldest!",
    coalesce(past.done, 0) AS "done!", coalesce(past.dead, 0) AS "dead!", past.took[1] AS p50, past.took[2] AS p95,
    l.paused_by, q.max_running AS "max_running?",
    (SELECT count(*) FROM workers w WHERE l.queue = ANY(w.queues) AND w.seen_at > now() - interval '10 seconds') AS "workers!"
FROM (SELECT queue, max(paused_by) AS paused_by FROM lanes GROUP BY 1) l
LEFT JOIN hot ON hot.queue = l.queue LEFT JOIN past ON past.queue = l.queue LEFT JOIN queues q ON q.name = l.queue
ORDER BY l.queue
