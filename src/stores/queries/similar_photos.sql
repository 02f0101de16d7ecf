-- Photos that look like $1, most alike first, at most $2, each with the listings that show it. Plan: photo_pairs by its key and
-- by photo_pairs_other, then probes of photos, photo_urls_photo and listing_photos_url.
SELECT o.id, o.digest, p.phash AS "phash!", p.dhash AS "dhash!", p.confirmed AS "confirmed!", o.width, o.height,
    (SELECT min(u.url) FROM photo_urls u WHERE u.photo_id = o.id) AS "url?",
    ARRAY(SELECT DISTINCT lp.listing_id FROM photo_urls u JOIN listing_photos lp ON lp.url_key = u.key
          WHERE u.photo_id = o.id ORDER BY lp.listing_id LIMIT 100) AS "listings!"
FROM (SELECT other_id AS id, phash, dhash, confirmed FROM photo_pairs WHERE photo_id = $1
      UNION ALL SELECT photo_id, phash, dhash, confirmed FROM photo_pairs WHERE other_id = $1) p
JOIN photos o ON o.id = p.id
ORDER BY p.phash + p.dhash, o.id
LIMIT $2
