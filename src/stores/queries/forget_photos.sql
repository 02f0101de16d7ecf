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
gone AS (
    DELETE FROM photos p WHERE p.id IN (SELECT photo_id FROM unshown)
      AND NOT EXISTS (SELECT 1 FROM photo_urls u WHERE u.photo_id = p.id AND u.key NOT IN (SELECT key FROM unshown))
      AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest)
    RETURNING p.id
)
SELECT count(*) AS "urls!", coalesce((SELECT array_agg(object) FROM photo_uploads u, unnest(u.objects) object
    WHERE u.photo_id IN (SELECT id FROM gone)), '{}') AS "objects!" FROM unshown
