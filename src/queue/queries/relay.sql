-- Take a slice of the outbox. $1 rows, $2 above this id: behind what was taken before and is not vacuumed yet. Plan:
-- the primary keys of outbox and jobs_hot. The job's row is held
-- until the commit: its end cannot be written between being read here and being handed over. Rows are locked by id, as
-- whoever writes ends does: the two must not wait for each other.
WITH taken AS (
    DELETE FROM outbox WHERE job_id IN (
        SELECT job_id FROM outbox WHERE job_id > $2 ORDER BY job_id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING job_id
)
SELECT h.id, l.queue, h.lane, h.kind, h.version, h.priority, h.attempt, h.max_attempts, h.snoozes, h.rescues,
    h.run_id, h.args::text AS "args!", coalesce(h.unique_key LIKE 'queued:%', false) AS "frees_key!",
    (extract(epoch FROM h.run_at - clock_timestamp()) * 1e3)::bigint AS "delay_ms!",
    (extract(epoch FROM h.created_at) * 1e6)::bigint AS "created_us!"
FROM jobs_hot h JOIN taken t ON t.job_id = h.id JOIN lanes l ON l.id = h.lane
ORDER BY h.id
FOR KEY SHARE OF h
