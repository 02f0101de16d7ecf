-- Addresses that lead to no photo of a unit: lost ones, and those of placeholders. $1 the listings that show them, or null
-- for all. Plan: for all, photo_urls_lost, and placeholders (few) with photos by digest and photo_urls_photo; for some
-- listings, listing_photos by its key and probes of photo_urls, photos and placeholders.
SELECT u.url AS "url!", false AS "placeholder!"
FROM photo_urls u
WHERE u.state IN ('gone', 'refused')
    AND ($1::bigint[] IS NULL OR u.key IN (SELECT lp.url_key FROM listing_photos lp WHERE lp.listing_id = ANY($1)))
UNION ALL
SELECT u.url, true
FROM placeholders h
JOIN photos p ON p.digest = h.digest
JOIN photo_urls u ON u.photo_id = p.id
WHERE NOT h.denied
    AND ($1::bigint[] IS NULL OR u.key IN (SELECT lp.url_key FROM listing_photos lp WHERE lp.listing_id = ANY($1)))
