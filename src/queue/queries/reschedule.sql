-- Give waiting jobs another time, another priority, or both. $1 ids, $2 delays in microseconds (NULL keeps the time),
-- $3 priorities (NULL keeps it), $4 why. A rescued job stays rescued. Plan: primary-key probes.
UPDATE jobs_hot h SET
    run_at = coalesce(clock_timestamp() + u.delay_us * interval '1 microsecond', h.run_at),
    priority = CASE WHEN u.level IS NULL THEN h.priority WHEN h.priority < 0 THEN -1 - u.level ELSE u.level END,
    why = CASE WHEN u.delay_us IS NULL THEN h.why ELSE $4 END
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) AS u(id, delay_us, level)
WHERE h.id = u.id AND h.token IS NULL AND h.started_at IS NULL
RETURNING h.id
