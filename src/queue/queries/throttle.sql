-- Take one token, unless the wait for it would be too long. $1 bucket, $2 tokens a second, $3 most it holds, $4 the
-- longest wait in seconds. Answers the seconds to wait: tokens below zero are places in the line. No row when the token was
-- not taken: who is sent away must not lengthen the line. Plan: one primary-key probe.
INSERT INTO throttles AS t (name, tokens, filled_at) VALUES ($1, $3::float8 - 1, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET filled_at = clock_timestamp(),
    tokens = least($3::float8, t.tokens
        + $2::float8 * greatest(0, extract(epoch FROM clock_timestamp() - t.filled_at))::float8) - 1
    WHERE 1 - least($3::float8, t.tokens
        + $2::float8 * greatest(0, extract(epoch FROM clock_timestamp() - t.filled_at))::float8) <= $4::float8 * $2::float8
RETURNING greatest(0, -tokens / $2::float8)::float8 AS "wait!"
