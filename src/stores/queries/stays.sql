-- Everywhere a number stood. $1 VIN or serial. Plan: probes of listings_vin, listings_serial and the same of archived_listings.
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number AS "stock_number!", l.status AS "status!",
    l.created_at AS "first_seen?", l.updated_at AS "last_changed?",
    greatest(CASE WHEN l.status IN ('available', 'pending') THEN current_date ELSE coalesce(l.left_at, l.updated_at)::date END
        - coalesce(l.date_in_stock, l.created_at::date), 0)::bigint AS "days?",
    p.price_cents AS "first_price_cents?", CASE WHEN p.at IS NOT NULL THEN coalesce(p.currency, 'USD') END AS "first_currency?",
    l.price_cents AS "price_cents?", coalesce(l.currency, 'USD') AS "currency?", NULL::bigint AS "archive?"
FROM listings l JOIN dealers d ON d.id = l.dealer_id
LEFT JOIN LATERAL (SELECT q.at, q.price_cents, q.currency FROM price_history q WHERE q.listing_id = l.id ORDER BY q.at LIMIT 1) p ON true
WHERE (l.vin = upper($1) OR l.serial = $1) AND l.kind <> 'parent'
UNION ALL
SELECT a.listing_id, d.key, a.stock_number, 'archived', NULL, r.made_at, NULL, NULL, NULL, NULL, NULL, a.archive_id
FROM archived_listings a JOIN dealers d ON d.id = a.dealer_id JOIN archives r ON r.id = a.archive_id
WHERE (a.vin = upper($1) OR a.serial = $1) AND a.restored_at IS NULL
ORDER BY 5 DESC NULLS LAST, 1 DESC
