-- Everywhere a number stood. $1 VIN, serial or stock number, $2 its capital and small letters. Plan: probes of listings_vin and
-- listings_serial and, for each rooftop, of its stock numbers; the same of archived_listings and listing_pasts.
WITH here AS (
    SELECT l.id FROM listings l WHERE l.vin = upper($1)
    UNION SELECT l.id FROM listings l WHERE l.serial = $1
    UNION SELECT l.id FROM dealers d JOIN listings l ON l.dealer_id = d.id AND l.stock_number = ANY($2::text[])
    -- The same unit under another number by now.
    UNION SELECT l.id FROM dealers d JOIN listing_pasts p ON p.dealer_id = d.id AND p.stock_number = ANY($2::text[])
        JOIN listings l ON l.id = p.listing_id AND (l.vin = p.vin OR l.vin IS NULL AND p.vin IS NULL AND l.serial = p.serial)
),
gone AS (
    SELECT a.archive_id, a.listing_id FROM archived_listings a WHERE a.vin = upper($1)
    UNION SELECT a.archive_id, a.listing_id FROM archived_listings a WHERE a.serial = $1
    UNION SELECT a.archive_id, a.listing_id FROM dealers d
        JOIN archived_listings a ON a.dealer_id = d.id AND a.stock_number = ANY($2::text[])
)
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number AS "stock_number!", l.vin AS "vin?", l.status AS "status!",
    l.created_at AS "first_seen?", l.updated_at AS "last_changed?",
    greatest(CASE WHEN l.status IN ('available', 'pending') THEN current_date ELSE coalesce(l.left_at, l.updated_at)::date END
        - coalesce(l.date_in_stock, l.created_at::date), 0)::bigint AS "days?",
    p.price_cents AS "first_price_cents?", CASE WHEN p.at IS NOT NULL THEN coalesce(p.currency, 'USD') END AS "first_currency?",
    l.price_cents AS "price_cents?", coalesce(l.currency, 'USD') AS "currency?", NULL::bigint AS "archive?",
    false AS "past!"
FROM here JOIN listings l ON l.id = here.id JOIN dealers d ON d.id = l.dealer_id
LEFT JOIN LATERAL (SELECT q.at, q.price_cents, q.currency FROM price_history q WHERE q.listing_id = l.id AND q.at >= l.created_at ORDER BY q.at LIMIT 1) p ON true
WHERE l.kind <> 'parent'
UNION ALL
SELECT a.listing_id, d.key, a.stock_number, a.vin, 'archived', NULL, r.made_at, NULL, NULL, NULL, NULL, NULL, a.archive_id, false
FROM gone JOIN archived_listings a ON a.archive_id = gone.archive_id AND a.listing_id = gone.listing_id
JOIN dealers d ON d.id = a.dealer_id JOIN archives r ON r.id = a.archive_id
WHERE a.restored_at IS NULL
UNION ALL
SELECT p.listing_id, d.key, p.stock_number, p.vin, p.status, p.first_seen, p.left_at, p.days::bigint, p.first_price_cents,
    p.first_currency, p.price_cents, coalesce(p.currency, 'USD'), NULL, true
FROM (SELECT * FROM listing_pasts WHERE vin = upper($1)
      UNION SELECT * FROM listing_pasts WHERE serial = $1
      UNION SELECT o.* FROM here JOIN listings l ON l.id = here.id JOIN listing_pasts o ON o.listing_id = l.id
          AND (l.vin = o.vin OR l.vin IS NULL AND o.vin IS NULL AND l.serial = o.serial)
      UNION SELECT o.* FROM dealers d JOIN listing_pasts o ON o.dealer_id = d.id AND o.stock_number = ANY($2::text[])) p
JOIN dealers d ON d.id = p.dealer_id
ORDER BY 6 DESC NULLS LAST, 1 DESC
