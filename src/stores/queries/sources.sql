-- Sources with their dealer and last file. $1 id, $2 key (NULL for any). Plan: sources is small;
-- one probe of source_files_seen each.
SELECT s.id, s.key, s.kind, s.dealer_id, d.key AS "dealer?", s.create_dealers, s.host, s.port, s.username,
    s.sealed_secret, s.sealed_key_id, s.host_key, s.folder, s.pattern, s.mapping, s.login, s.settle, s.marker, s.after_load, s.after_folder, s.policy, s.grace_files, s.grace_hours, s.attachments, s.report_folder, s.url, s.max_removed_percent,
    s.paused_at IS NOT NULL AS "paused!", f.seen_at AS "last_file_at?", f.state AS "last_file_state?"
FROM sources s
LEFT JOIN dealers d ON d.id = s.dealer_id
LEFT JOIN LATERAL (
    SELECT seen_at, state FROM source_files WHERE source_id = s.id ORDER BY id DESC LIMIT 1
) f ON true
WHERE ($1::bigint IS NULL OR s.id = $1) AND ($2::text IS NULL OR s.key = $2)
ORDER BY s.key
