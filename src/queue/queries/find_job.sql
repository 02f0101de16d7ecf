-- One job wherever it stands. Plan: a primary-key probe, then the history's id index.
SELECT h.id AS "id!", l.queue AS "queue!", l.partner AS "partner!", h.kind AS "kind!", h.version AS "version!",
    CASE WHEN h.priority < 0 THEN -1 - h.priority ELSE h.priority END::smallint AS "priority!",
    CASE WHEN h.token IS NOT NULL OR h.started_at IS NOT NULL THEN 'running' WHEN h.run_at > now() THEN 'scheduled' ELSE 'ready' END AS "state!",
    h.attempt AS "attempt!", h.max_attempts AS "max_attempts!", h.snoozes AS "snoozes!", h.rescues AS "rescues!",
    h.run_id, h.created_at AS "created_at!", h.run_at AS "run_at!", h.started_at, NULL::timestamptz AS finished_at,
    (SELECT c.worker FROM jobs_claims c WHERE c.token = h.token AND c.lane = h.lane) AS worker,
    h.why, h.progress, h.args AS "args!", NULL::jsonb AS report, NULL::jsonb AS error
FROM jobs_hot h JOIN lanes l ON l.id = h.lane WHERE h.id = $1
UNION ALL
SELECT h.id, l.queue, l.partner, h.kind, h.version, h.priority, h.state, h.attempt, h.max_attempts, h.snoozes,
    h.rescues, h.run_id, h.created_at, h.run_at, h.started_at, h.finished_at, h.worker, NULL, NULL, h.args, h.report, h.error
FROM jobs_history h JOIN lanes l ON l.id = h.lane WHERE h.id = $1
