-- Retire what a source brought and its newest files have no more. $1 source, $2 newest file, $3 most, $4 files and $5
-- hours of grace: the oldest file that a unit may have been in last to stay; $6 the source's dealer, where it has one.
-- A file that was loaded once more is one, as old as it was.
-- Plan: source_files_seen, newest first; listings by the dealer's stock numbers, and all of them for a source of many; files by
-- primary key.
WITH files AS (
    SELECT f.id, coalesce(o.seen_at, f.seen_at) AS seen_at FROM source_files f LEFT JOIN source_files o ON o.id = f.reload_of WHERE f.source_id = $1 AND f.id <= $2 AND (f.state = 'loaded' OR f.id = $2)
      AND NOT EXISTS (SELECT 1 FROM source_files r WHERE r.source_id = $1 AND r.id <= $2 AND r.reload_of = f.id
                      AND (r.state = 'loaded' OR r.id = $2))
    ORDER BY f.id DESC
),
stays AS (
    SELECT least(
        coalesce((SELECT id FROM files ORDER BY id DESC OFFSET $4::int LIMIT 1), 0),
        coalesce((SELECT id FROM files WHERE seen_at <= now() - $5::int * interval '1 hour' ORDER BY id DESC LIMIT 1), 0)) AS from_file
),
gone AS (
    UPDATE listings l SET status = 'removed', version = l.version + 1, updated_at = now(), left_at = now()
    WHERE l.id IN (
        SELECT l2.id FROM listings l2
        WHERE l2.id IN (
            SELECT u.id FROM (
                SELECT id, file_id FROM listings WHERE dealer_id = $6::bigint AND status IN ('available', 'pending')
                UNION ALL
                SELECT id, file_id FROM listings WHERE $6::bigint IS NULL AND status IN ('available', 'pending')) u
            JOIN source_files f ON f.id = u.file_id AND f.source_id = $1
            WHERE u.file_id < (SELECT from_file FROM stays)
            ORDER BY u.id LIMIT $3)
        ORDER BY l2.id
        FOR UPDATE)
      AND l.file_id < (SELECT from_file FROM stays) AND l.status IN ('available', 'pending')
    RETURNING l.id, l.dealer_id, l.kind, l.version
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'removed', version FROM gone
)
SELECT id AS "id!" FROM gone
