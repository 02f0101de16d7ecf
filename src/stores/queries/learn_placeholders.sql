-- Photos that so many ($2) units of so many ($3) models on the lot show, of those that the addresses $1 (keys) lead to, are
-- placeholders. What an operator denied stays so. Plan: photo_urls by its key, then for each photo photo_urls_photo,
-- listing_photos_url and listings.
INSERT INTO placeholders (digest, added_by)
SELECT p.digest, 'shown by many'
FROM (SELECT DISTINCT photo_id FROM photo_urls WHERE key = ANY($1) AND photo_id IS NOT NULL) mine
JOIN photos p ON p.id = mine.photo_id AND NOT EXISTS (SELECT 1 FROM placeholders h WHERE h.digest = p.digest)
CROSS JOIN LATERAL (
    SELECT count(DISTINCT l.id) AS units, count(DISTINCT (l.make, l.model)) AS models
    FROM photo_urls u
    JOIN listing_photos lp ON lp.url_key = u.key
    JOIN listings l ON l.id = lp.listing_id AND l.status IN ('available', 'pending') AND l.model IS NOT NULL
    WHERE u.photo_id = p.id
) shown
WHERE shown.units >= $2 AND shown.models >= $3
ORDER BY p.digest
ON CONFLICT DO NOTHING
