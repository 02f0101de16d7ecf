-- What the gates of lanes are decided by. $1 queue, NULL for every one. Plan: `lanes`, `partners` and
-- `jobs_claims` are small; claims are summed only for lanes that have a limit or a breaker on the move.
SELECT l.id, l.queue, l.partner, l.paused_by, l.paused_at, p.state AS "state?", p.reason, p.until, p.closed_at,
    q.max_running AS "queue_max?", p.max_running AS "partner_max?", now() AS "now!",
    CASE WHEN q.max_running IS NULL THEN 0 ELSE
        (SELECT coalesce(sum(greatest(c.open, 0)), 0) FROM jobs_claims c JOIN lanes m ON m.id = c.lane
         WHERE m.queue = l.queue) END AS "queue_running!",
    CASE WHEN p.name IS NULL OR (p.max_running IS NULL AND p.state = 'closed'
              AND (p.closed_at IS NULL OR p.closed_at < now() - interval '1 minute')) THEN 0 ELSE
        (SELECT coalesce(sum(greatest(c.open, 0)), 0) FROM jobs_claims c JOIN lanes m ON m.id = c.lane
         WHERE m.partner = l.partner) END AS "partner_running!"
FROM lanes l
LEFT JOIN queues q ON q.name = l.queue
LEFT JOIN partners p ON p.name = l.partner AND l.partner <> ''
WHERE $1::text IS NULL OR l.queue = $1
ORDER BY l.queue, l.partner
