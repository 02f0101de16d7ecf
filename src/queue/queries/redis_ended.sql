-- Redis engine: write the ends of jobs. Arrays: id, durable, lane, kind, version, priority, state, attempt, max
-- attempts, snoozes, rescues, run, created (microseconds), microseconds run, worker, args, report, error.
-- A durable job leaves jobs_hot in this statement; sent again, it finds no row and writes nothing. Plan:
-- primary-key probes, and for the others a probe of the history's id index.
WITH a AS MATERIALIZED (
    SELECT * FROM unnest($1::bigint[], $2::bool[], $3::int[], $4::text[], $5::smallint[], $6::smallint[],
        $7::text[], $8::smallint[], $9::smallint[], $10::int[], $11::smallint[], $12::bigint[], $13::bigint[],
        $14::bigint[], $15::text[], $16::text[], $17::text[], $18::text[])
        AS x(id, durable, lane, kind, version, priority, state, attempt, max_attempts, snoozes, rescues, run_id,
             created_us, ran_us, worker, args, report, error)
),
gone AS (
    DELETE FROM jobs_hot h USING a WHERE h.id = a.id AND a.durable RETURNING h.id, h.run_at
)
INSERT INTO jobs_history (id, lane, kind, version, priority, state, attempt, max_attempts, snoozes, rescues,
    run_id, created_at, run_at, started_at, finished_at, worker, args, report, error)
SELECT a.id, a.lane, a.kind, a.version, a.priority, a.state, a.attempt, a.max_attempts, a.snoozes, a.rescues,
    a.run_id, 'epoch'::timestamptz + a.created_us * interval '1 microsecond',
    coalesce(gone.run_at, 'epoch'::timestamptz + a.created_us * interval '1 microsecond'),
    CASE WHEN a.worker <> '' THEN now() - a.ran_us * interval '1 microsecond' END, now(), nullif(a.worker, ''),
    a.args::jsonb, a.report::jsonb, a.error::jsonb
FROM a LEFT JOIN gone ON gone.id = a.id
WHERE gone.id IS NOT NULL
   OR (NOT a.durable AND NOT EXISTS (SELECT 1 FROM jobs_history p WHERE p.id = a.id))
