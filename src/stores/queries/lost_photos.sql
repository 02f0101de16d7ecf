-- Photo addresses of units on the lot that lead to no photo, most recently tried first. $1 dealer's key or NULL, $2 at most.
-- Plan: for all, photo_urls by photo_urls_lost, then probes of listing_photos_url, listings and dealers; for a dealer, its listings
-- and a probe for each of their photos. One of the two finds nothing.
SELECT x.listing AS "listing!", x.dealer AS "dealer!", x.stock_number AS "stock_number!", x.vin AS "vin?", x.place AS "place!",
    x.url AS "url!", x.state AS "state!", x.rule AS "rule?", x.problem AS "problem?", x.tries AS "tries!",
    x.fetched_at AS "fetched_at!"
FROM (
    (SELECT l.id AS listing, d.key AS dealer, l.stock_number, l.vin, lp.place, u.url, u.state, u.rule, u.problem, u.tries, u.fetched_at
     FROM photo_urls u
     JOIN listing_photos lp ON lp.url_key = u.key
     JOIN listings l ON l.id = lp.listing_id
     JOIN dealers d ON d.id = l.dealer_id
     WHERE $1::text IS NULL AND u.state IN ('gone', 'refused', 'failed') AND l.status IN ('available', 'pending')
     ORDER BY u.fetched_at DESC, l.id, lp.place LIMIT $2)
    UNION ALL
    (SELECT l.id, d.key, l.stock_number, l.vin, lp.place, u.url, u.state, u.rule, u.problem, u.tries, u.fetched_at
     FROM dealers d
     JOIN listings l ON l.dealer_id = d.id
     JOIN listing_photos lp ON lp.listing_id = l.id
     JOIN photo_urls u ON u.key = lp.url_key
     WHERE d.key = $1 AND u.state IN ('gone', 'refused', 'failed') AND l.status IN ('available', 'pending')
     ORDER BY u.fetched_at DESC, l.id, lp.place LIMIT $2)) x
ORDER BY x.fetched_at DESC, x.listing, x.place
LIMIT $2
