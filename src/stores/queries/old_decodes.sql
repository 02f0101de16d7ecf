-- VINs on the lot that the offline decoder did not decode clean, and that no decoder with a word was asked about within its days. $1 provider,
-- $2 days, $3 most. Plan: one pass over the listings on the lot, hashed against vin_decodes.
INSERT INTO enrichment_due (provider, subject, priority)
SELECT DISTINCT $1::text, l.vin, 2::smallint FROM listings l JOIN vin_decodes v ON v.vin = l.vin
WHERE l.status IN ('available', 'pending') AND v.errors <> '0'
  AND (v.api_at IS NULL OR v.api_at < now() - $2::int * interval '1 day'
       OR NOT EXISTS (SELECT 1 FROM providers p WHERE p.name = v.api_by AND p.enabled))
  AND NOT EXISTS (SELECT 1 FROM enrichment_due d WHERE d.provider = $1 AND d.subject = l.vin)
ORDER BY 2
LIMIT $3
ON CONFLICT DO NOTHING
