-- Prices that fell, against the last one that was said of the same unit, in the same currency. $1 dealer key (NULL for all), $2 days, $3 least per cent, $4 most rows.
-- Plan: price_history_at for the days, then a probe of price_history_listing each.
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number AS "stock_number!", l.vin,
    coalesce(l.title, concat_ws(' ', l.year, l.make, l.model, l."trim")) AS "title!", p.at AS "at!",
    before.price_cents AS "before_cents!", p.price_cents AS "price_cents!",
    coalesce(p.currency, 'USD') AS "currency!"
FROM price_history p
JOIN listings l ON l.id = p.listing_id AND l.status IN ('available', 'pending') AND l.kind <> 'parent'
JOIN dealers d ON d.id = l.dealer_id
JOIN LATERAL (
    SELECT q.price_cents, q.currency FROM price_history q
    WHERE q.listing_id = p.listing_id AND q.at < p.at AND q.at >= l.created_at AND q.price_cents IS NOT NULL ORDER BY q.at DESC LIMIT 1
) before ON before.price_cents > p.price_cents AND coalesce(before.currency, 'USD') = coalesce(p.currency, 'USD')
WHERE p.at >= now() - $2::int * interval '1 day' AND ($1::text IS NULL OR d.key = $1)
  AND (before.price_cents - p.price_cents) * 100 >= before.price_cents * $3::int
ORDER BY p.at DESC, l.id LIMIT $4
