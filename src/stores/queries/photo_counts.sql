-- What the photos of the units on the lot come to. Plan: one pass over listing_photos with probes, grouped
-- by photo; photo_pairs by its keys.
WITH shown AS (
    SELECT lp.listing_id, p.id, p.digest, u.state
    FROM listing_photos lp
    JOIN listings l ON l.id = lp.listing_id AND l.status IN ('available', 'pending')
    JOIN photo_urls u ON u.key = lp.url_key
    LEFT JOIN photos p ON p.id = u.photo_id
),
by_photo AS (
    SELECT id, digest, count(DISTINCT listing_id) AS listings FROM shown WHERE id IS NOT NULL GROUP BY id, digest
)
SELECT (SELECT count(*) FROM photos) AS "hashed!",
    (SELECT count(*) FROM by_photo b WHERE NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = b.digest AND NOT h.denied)
        AND (b.listings > 1 OR EXISTS (SELECT 1 FROM photo_pairs x WHERE x.confirmed AND x.photo_id = b.id)
                            OR EXISTS (SELECT 1 FROM photo_pairs x WHERE x.confirmed AND x.other_id = b.id)))
        AS "duplicates!",
    (SELECT count(*) FROM shown s JOIN placeholders h ON h.digest = s.digest AND NOT h.denied) AS "placeholders!",
    (SELECT count(*) FROM shown WHERE state IN ('gone', 'refused', 'failed')) AS "problems!"
