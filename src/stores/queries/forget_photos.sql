-- Forget what URLs led to that no listing shows, and then photos that no URL leads to; placeholders stay. What our own
-- storage shows of them is told, to be deleted. $1 days, $2 most. Plan: photo_urls by age with probes of listing_photos_url; photos with probes of photo_urls_photo.
WITH unshown AS (
    DELETE FROM photo_urls WHERE key IN (
        SELECT u.key FROM photo_urls u
        WHERE u.fetched_at < now() - $1::int * interval '1 day'
          AND NOT EXISTS (SELECT 1 FROM listing_photos l WHERE l.url_key = u.key)
        LIMIT $2)
    RETURNING photo_id, key
),
replaced AS (
    -- Another picture stands where it stood, or none does any more.
    SELECT p.id FROM photos p WHERE p.seen_at < now() - $1::int * interval '1 day'
      AND NOT EXISTS (SELECT 1 FROM photo_urls u WHERE u.photo_id = p.id)
      AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest)
    LIMIT $2
),
gone AS (
    DELETE FROM photos p WHERE (p.id IN (SELECT photo_id FROM unshown) OR p.id IN (SELECT id FROM replaced))
      AND NOT EXISTS (SELECT 1 FROM photo_urls u WHERE u.photo_id = p.id AND u.key NOT IN (SELECT key FROM unshown))
      AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest)
    RETURNING p.id
)
SELECT (SELECT count(*) FROM unshown) + (SELECT count(*) FROM replaced) AS "urls!", coalesce((SELECT array_agg(object) FROM photo_uploads u, unnest(u.objects) object
    WHERE u.photo_id IN (SELECT id FROM gone)), '{}') AS "objects!"
