-- Count calls of a partner and answer its window. $1 partner, $2 calls, $3 failed, $4 slow, $5 retries, $6 window
-- in seconds. Plan: a primary-key probe and a
-- dozen rows of the same index.
WITH added AS (
    INSERT INTO partner_calls AS c (partner, slice, calls, failures, slow, retries)
    VALUES ($1, date_bin('5 seconds', now(), 'epoch'), $2, $3, $4, $5)
    ON CONFLICT (partner, slice) DO UPDATE SET calls = c.calls + excluded.calls,
        failures = c.failures + excluded.failures, slow = c.slow + excluded.slow,
        retries = c.retries + excluded.retries
    RETURNING slice, calls, failures, slow, retries
),
older AS (
    SELECT calls, failures, slow, retries FROM partner_calls
    WHERE partner = $1 AND slice > now() - $6::float8 * interval '1 second'
      AND slice <> (SELECT slice FROM added)
)
SELECT coalesce(sum(calls), 0)::bigint AS "calls!", coalesce(sum(failures), 0)::bigint AS "failures!",
    coalesce(sum(slow), 0)::bigint AS "slow!", coalesce(sum(retries), 0)::bigint AS "retries!"
FROM (SELECT calls, failures, slow, retries FROM added UNION ALL SELECT * FROM older) w
