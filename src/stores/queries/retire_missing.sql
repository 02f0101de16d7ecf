-- Retire what a source brought and its newest file has no more. $1 source, $2 newest file, $3 most.
-- Plan: listings by scan of the dealer's (a load just touched them), files by primary key.
WITH gone AS (
    UPDATE listings l SET status = 'removed', version = l.version + 1, updated_at = now()
    WHERE l.id IN (
        SELECT l2.id FROM listings l2
        JOIN source_files f ON f.id = l2.file_id
        JOIN sources s ON s.id = f.source_id AND coalesce(s.dealer_id, l2.dealer_id) = l2.dealer_id
        WHERE s.id = $1 AND l2.file_id <> $2 AND l2.status IN ('available', 'pending')
        ORDER BY l2.id LIMIT $3
        FOR UPDATE OF l2)
    RETURNING l.id, l.dealer_id, l.kind, l.version
),
logged AS (
    INSERT INTO changes (listing_id, dealer_id, kind, what, version)
    SELECT id, dealer_id, kind, 'removed', version FROM gone
)
SELECT id AS "id!" FROM gone
