-- Numbers that stand on the lot more than once. $1 a dealer concerned (NULL for all), $2 most rows.
-- Plan: the units on the lot grouped by VIN, and those with a serial by serial and make.
SELECT number AS "number!", array_agg(id ORDER BY key, stock_number) AS "listings!",
    array_agg(key || ' ' || stock_number ORDER BY key, stock_number) AS "rooftops!"
FROM (
    SELECT l.vin AS number, '' AS make, l.id, d.key, l.stock_number
    FROM listings l JOIN dealers d ON d.id = l.dealer_id
    WHERE l.vin IS NOT NULL AND l.status IN ('available', 'pending') AND l.kind <> 'parent'
    UNION ALL
    SELECT l.serial, lower(l.make), l.id, d.key, l.stock_number
    FROM listings l JOIN dealers d ON d.id = l.dealer_id
    WHERE l.serial IS NOT NULL AND l.vin IS NULL AND l.status IN ('available', 'pending') AND l.kind <> 'parent'
) on_the_lot
GROUP BY number, make
HAVING count(*) > 1 AND ($1::text IS NULL OR bool_or(key = $1))
ORDER BY number LIMIT $2
