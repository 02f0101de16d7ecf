-- Photo addresses of units on the lot that lead to no photo, most recently tried first. $1 dealer's key or NULL, $2 at most.
-- Plan: photo_urls by photo_urls_lost, then probes of listing_photos_url, listings and dealers.
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number, l.vin AS "vin?", lp.place, u.url, u.state, u.rule AS "rule?",
    u.problem AS "problem?", u.tries, u.fetched_at
FROM photo_urls u
JOIN listing_photos lp ON lp.url_key = u.key
JOIN listings l ON l.id = lp.listing_id
JOIN dealers d ON d.id = l.dealer_id
WHERE u.state IN ('gone', 'refused', 'failed') AND l.status IN ('available', 'pending')
    AND ($1::text IS NULL OR d.key = $1)
ORDER BY u.fetched_at DESC, l.id, lp.place
LIMIT $2
