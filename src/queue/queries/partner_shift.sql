-- Move a breaker, with its event. $1 partner, $2 states it may be in, $3 the new one, $4 why, $5 who, $6 seconds of
-- the break. Plan: one primary-key probe.
WITH held AS (
    SELECT name, state AS was, version FROM partners WHERE name = $1 AND state = ANY($2) FOR UPDATE
),
event AS (
    INSERT INTO partner_events (partner, was, became, why, who) SELECT name, was, $3, $4, $5 FROM held
)
, forgotten AS (
    -- A closed breaker begins with an empty window.
    DELETE FROM partner_calls c USING held WHERE c.partner = held.name AND $3 IN ('closed', 'forced_closed')
)
UPDATE partners p
SET state = $3, reason = $4, changed_by = $5, changed_at = now(), version = p.version + 1,
    until = CASE WHEN $3 = 'open' THEN now() + $6::float8 * interval '1 second' END,
    break_seconds = CASE WHEN $3 = 'open' THEN greatest($6::float8, 0) ELSE 0 END,
    probe = NULL, probe_until = NULL,
    closed_at = CASE WHEN $3 IN ('closed', 'forced_closed') THEN now() ELSE p.closed_at END
FROM held WHERE p.name = held.name
