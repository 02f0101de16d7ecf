-- Units on the lot whose report is older than the provider's days (a page that could not be read: a day), or that have none. A VIN
-- with a wrong check digit (error 1) is another vehicle's, or nobody's.
-- $1 provider, $2 days, $3 most. Plan: one pass over the listings on the lot, hashed against the provider's reports.
INSERT INTO enrichment_due (provider, subject, priority)
SELECT DISTINCT $1::text, l.vin, 2::smallint FROM listings l
WHERE l.status IN ('available', 'pending') AND l.kind = 'vehicle' AND l.vin IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM history_reports h WHERE h.vin = l.vin AND h.provider = $1
        AND h.fetched_at > now() - CASE h.state WHEN 'drift' THEN 1 ELSE $2::int END * interval '1 day')
  AND NOT EXISTS (SELECT 1 FROM vin_decodes c WHERE c.vin = l.vin AND '1' = ANY (string_to_array(c.errors, ',')))
  AND NOT EXISTS (SELECT 1 FROM enrichment_due d WHERE d.provider = $1 AND d.subject = l.vin)
ORDER BY 2
LIMIT $3
ON CONFLICT DO NOTHING
