-- Photos of units on the lot that an upload provider has not got. $1 provider, $2 most. Plan: one pass over listing_photos of
-- the listings on the lot, with probes.
INSERT INTO enrichment_due (provider, subject, priority)
SELECT DISTINCT $1::text, p.digest, 2::smallint FROM listing_photos lp
JOIN listings l ON l.id = lp.listing_id AND l.status IN ('available', 'pending')
JOIN photo_urls u ON u.key = lp.url_key AND u.state = 'fetched'
JOIN photos p ON p.id = u.photo_id
WHERE NOT EXISTS (SELECT 1 FROM photo_uploads x WHERE x.photo_id = p.id AND x.provider = $1)
  AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest AND NOT h.denied)
  AND NOT EXISTS (SELECT 1 FROM enrichment_due d WHERE d.provider = $1 AND d.subject = p.digest)
ORDER BY 2
LIMIT $2
ON CONFLICT DO NOTHING
