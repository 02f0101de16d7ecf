-- Take one token. $1 bucket, $2 tokens a second, $3 most it holds. Answers the seconds to wait: tokens below zero
-- are places in the line. A line longer than an hour is not lengthened. Plan: one primary-key probe.
INSERT INTO throttles AS t (name, tokens, filled_at) VALUES ($1, $3::float8 - 1, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET filled_at = clock_timestamp(),
    tokens = greatest(-3600 * $2::float8, least($3::float8, t.tokens
        + $2::float8 * greatest(0, extract(epoch FROM clock_timestamp() - t.filled_at))::float8) - 1)
RETURNING greatest(0, -tokens / $2::float8)::float8 AS "wait!"
