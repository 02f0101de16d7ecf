-- The file that makes another one known. $1 source, $2 name, $3 digest. Plan: source_files_seen, newest
-- first, twice.
SELECT id AS "id!" FROM (
    (SELECT id, digest FROM source_files WHERE source_id = $1 ORDER BY id DESC LIMIT 1)
    UNION ALL
    (SELECT id, digest FROM source_files WHERE source_id = $1 AND name = $2 ORDER BY id DESC LIMIT 1)
) newest
WHERE digest = $3 LIMIT 1
