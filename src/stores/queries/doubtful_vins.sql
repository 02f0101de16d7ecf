-- Units on the lot of a dealer ($1) whose VIN decodes with one of these errors ($3), at most $2. Plan: listings of the dealer,
-- then probes of vin_decodes.
SELECT l.id AS "listing!", d.key AS "dealer!", l.stock_number, v.vin, v.errors
FROM listings l
JOIN dealers d ON d.id = l.dealer_id
JOIN vin_decodes v ON v.vin = l.vin
WHERE l.status IN ('available', 'pending') AND string_to_array(v.errors, ',') && $3::text[] AND d.key = $1
ORDER BY l.id
LIMIT $2
