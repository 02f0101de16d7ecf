-- Stamp changes below the horizon. $1 last position, $2 most. Plan: index scan on
-- changes_unstamped in order, then a primary-key probe each.
WITH fresh AS (
    SELECT seq, row_number() OVER (ORDER BY xid, seq) AS place
    FROM changes
    WHERE position IS NULL AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, seq
    LIMIT $2
)
UPDATE changes c SET position = $1::bigint + fresh.place
FROM fresh WHERE c.seq = fresh.seq
