-- Units on the lot whose valuation is older than the provider's days, or that have none for their miles and the market. A VIN with
-- a wrong check digit (error 1) is another vehicle's, or nobody's. $1 provider, $2 days, $3 most, $4 market. Plan: one pass over the listings on the lot, hashed against the provider's valuations.
INSERT INTO enrichment_due (provider, subject, priority)
SELECT DISTINCT $1::text, l.vin, 2::smallint FROM listings l
WHERE l.status IN ('available', 'pending') AND l.kind = 'vehicle' AND l.vin IS NOT NULL AND l.odometer_km IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM valuations v WHERE v.vin = l.vin AND v.provider = $1 AND v.day > current_date - $2::int
        AND v.region = $4 AND v.odometer_bucket = (l.odometer_km * 0.621371 / 1000)::int)
  AND NOT EXISTS (SELECT 1 FROM vin_decodes c WHERE c.vin = l.vin AND '1' = ANY (string_to_array(c.errors, ',')))
  AND NOT EXISTS (SELECT 1 FROM enrichment_due d WHERE d.provider = $1 AND d.subject = l.vin)
ORDER BY 2
LIMIT $3
ON CONFLICT DO NOTHING
