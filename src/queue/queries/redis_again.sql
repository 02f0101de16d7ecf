-- Redis engine: attempts that did not end their job. $1 worker, then arrays: id, code (1 retry, 4 snooze, 5 hand
-- back), delay, attempts and snoozes after it, why, error, microseconds run. Plan: primary-key probes.
WITH a AS MATERIALIZED (
    SELECT * FROM unnest($2::bigint[], $3::smallint[], $4::bigint[], $5::smallint[], $6::int[], $7::text[],
                         $8::text[], $9::bigint[])
        AS x(id, code, delay_us, attempt, snoozes, why, error, ran_us)
),
again AS (
    UPDATE jobs_hot h
    SET started_at = NULL, progress = NULL, why = a.why, attempt = a.attempt, snoozes = a.snoozes,
        run_at = now() + a.delay_us * interval '1 microsecond'
    FROM a WHERE h.id = a.id
)
INSERT INTO job_attempts (job_id, attempt, outcome, started_at, worker, error)
SELECT id, attempt + (code = 4)::int, CASE code WHEN 1 THEN 'retry' ELSE 'snooze' END,
    now() - ran_us * interval '1 microsecond', $1, coalesce(error::jsonb, jsonb_build_object('message', why))
FROM a WHERE code IN (1, 4)
