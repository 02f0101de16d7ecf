-- Units on the lot whose VIN does not decode clean, by dealer ($1, a key, or NULL for all), at most $2. Plan: listings of the
-- dealer, then probes of vin_decodes.
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number, v.vin, v.errors
FROM listings l
JOIN dealers d ON d.id = l.dealer_id
JOIN vin_decodes v ON v.vin = l.vin
WHERE l.status IN ('available', 'pending') AND v.errors <> '0' AND ($1::text IS NULL OR d.key = $1)
ORDER BY l.id
LIMIT $2
