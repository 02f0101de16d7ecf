-- The photos of a listing, in its order. $1 listing. Plan: listing_photos by its key, then probes of
-- photo_urls, photos, photo_urls_photo, listing_photos_url and the two keys of photo_pairs.
SELECT lp.place AS "place!", p.id AS "id?", coalesce(u.url, l.image_urls[lp.place + 1], '') AS "url!",
    coalesce(u.state, 'waiting') AS "state!", u.problem AS "problem?", p.digest AS "digest?", p.phash AS "phash?",
    p.dhash AS "dhash?", p.width AS "width?", p.height AS "height?",
    EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest AND NOT h.denied) AS "placeholder!",
    (SELECT count(DISTINCT other.listing_id) FROM photo_urls same
     JOIN listing_photos other ON other.url_key = same.key AND other.listing_id <> $1
     WHERE same.photo_id = p.id) AS "shown_by!",
    (SELECT count(*) FROM photo_pairs x WHERE x.confirmed AND (x.photo_id = p.id OR x.other_id = p.id)) AS "alike!",
    coalesce((SELECT jsonb_agg(jsonb_build_object('provider', s.provider, 'url', s.url,
        'sizes', (SELECT coalesce(jsonb_agg(jsonb_build_object('width', z.width, 'url', z.url) ORDER BY z.width), '[]')
                  FROM unnest(s.widths, s.size_urls) z(width, url))) ORDER BY s.provider)
     FROM photo_uploads s WHERE s.photo_id = p.id), '[]') AS "uploads!: sqlx::types::Json<Vec<ShownAt>>"
FROM listing_photos lp
JOIN listings l ON l.id = lp.listing_id
LEFT JOIN photo_urls u ON u.key = lp.url_key
LEFT JOIN photos p ON p.id = u.photo_id
WHERE lp.listing_id = $1
ORDER BY lp.place
