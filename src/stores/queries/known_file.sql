-- The file that makes another one known. $1 source, $2 name, $3 digest, $4 when it was written, if that says anything. One of an older name that
-- was written since is a dealer's word anew: Monday's file of the next week. Plan: source_files_seen, newest first, twice.
SELECT id AS "id!" FROM (
    (SELECT n.id, n.digest FROM (SELECT * FROM source_files WHERE source_id = $1 ORDER BY id DESC LIMIT 1) n
     -- One that came too late is news once it is written anew.
     WHERE NOT (n.state = 'held' AND coalesce(n.modified_at < $4::timestamptz, false)
                AND EXISTS (SELECT 1 FROM source_rejects r WHERE r.file_id = n.id AND r.rule = 'file_superseded')))
    UNION ALL
    (SELECT id, digest FROM source_files WHERE source_id = $1 AND name = $2
     AND coalesce(modified_at >= $4::timestamptz, true) ORDER BY id DESC LIMIT 1)
) newest
WHERE digest = $3 LIMIT 1
