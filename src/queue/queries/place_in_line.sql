-- A due job's place: how many of its queue are due before it, and how many of the queue ended of late. $1 job,
-- $2 seconds looked back. Plan: the ready index per lane, counted to 10,000 at most; the history's newest partitions.
SELECT h.priority < 0 AS "quarantined!", now() AS "now!",
    (SELECT count(*) FROM (
        SELECT 1 FROM jobs_hot o JOIN lanes m ON m.id = o.lane
        WHERE m.queue = l.queue AND o.token IS NULL AND o.started_at IS NULL AND o.run_at <= now()
          AND (o.priority, o.run_at, o.id) < (h.priority, h.run_at, h.id)
        LIMIT 10000) before) AS "before!",
    (SELECT count(*)::float8 FROM jobs_history d JOIN lanes m ON m.id = d.lane
     WHERE m.queue = l.queue AND d.finished_at > now() - $2::float8 * interval '1 second') AS "ended!"
FROM jobs_hot h JOIN lanes l ON l.id = h.lane
WHERE h.id = $1 AND h.token IS NULL
