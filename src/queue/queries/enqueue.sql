-- Insert orders in order; a taken key inserts nothing and answers NULL. Arrays: lane, kind,
-- version, priority, delay, max attempts, key, run, args.
WITH k AS MATERIALIZED (
    SELECT nextval('job_ids') AS id, u.*
    FROM unnest($1::int[], $2::text[], $3::smallint[], $4::smallint[], $5::bigint[], $6::smallint[],
                $7::text[], $8::bigint[], $9::text[]) WITH ORDINALITY
        AS u(lane, kind, version, priority, delay_us, max_attempts, unique_key, run_id, args, rank)
),
put AS (
    INSERT INTO jobs_hot (id, lane, kind, version, priority, run_at, max_attempts, unique_key, run_id, created_at, args)
    SELECT id, lane, kind, version, priority, clock_timestamp() + delay_us * interval '1 microsecond',
        max_attempts, unique_key, run_id, clock_timestamp(), args::jsonb
    FROM k ORDER BY rank
    ON CONFLICT (kind, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id
)
SELECT k.rank AS "rank!", put.id AS "id?" FROM k LEFT JOIN put ON put.id = k.id
