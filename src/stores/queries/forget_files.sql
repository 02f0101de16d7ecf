-- Forget the raw copies of old files, but not of the newest of their source, nor of one that is not loaded yet.
-- $1 days, $2 most. A copy that another file shares is not named. Plan: source_files by age; probes of source_files_seen.
WITH old AS (
    SELECT f.id, f.object_key FROM source_files f
    WHERE f.object_key <> '' AND f.seen_at < now() - $1::int * interval '1 day' AND f.state <> 'fetched'
      AND EXISTS (SELECT 1 FROM source_files n WHERE n.source_id = f.source_id AND n.id > f.id AND n.state = 'loaded')
    ORDER BY f.id LIMIT $2 FOR UPDATE
),
refused AS (
    DELETE FROM source_rejects r USING old WHERE r.file_id = old.id
),
forgotten AS (
    UPDATE source_files f SET object_key = '' FROM old WHERE f.id = old.id RETURNING f.id
)
SELECT count(*) AS "files!",
    coalesce(array_agg(DISTINCT old.object_key ORDER BY old.object_key) FILTER (WHERE NOT EXISTS (
        SELECT 1 FROM source_files o WHERE o.object_key = old.object_key AND o.id NOT IN (SELECT id FROM old))), '{}')
        AS "objects!"
FROM old
