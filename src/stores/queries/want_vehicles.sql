-- Vehicles that a provider of kind $2 shall be asked about: those it said nothing of within $3 days; a valuation holds for a bucket
-- of miles ($5) in a market ($7). $1 provider, $4 vins, $6 priorities. In order of VIN, so that two never wait for each other's rows in a circle.
-- Plan: a probe of the kind's own key for each.
INSERT INTO enrichment_due (provider, subject, priority)
SELECT $1, u.vin, min(u.priority) FROM unnest($4::text[], $5::int[], $6::smallint[]) u(vin, bucket, priority)
WHERE CASE $2::text
    WHEN 'history' THEN NOT EXISTS (SELECT 1 FROM history_reports h WHERE h.vin = u.vin AND h.provider = $1
        AND h.fetched_at > now() - CASE h.state WHEN 'drift' THEN 1 ELSE $3::int END * interval '1 day')
    WHEN 'valuation' THEN u.bucket IS NOT NULL AND NOT EXISTS (SELECT 1 FROM valuations v WHERE v.vin = u.vin
        AND v.provider = $1 AND v.odometer_bucket = u.bucket AND v.region = $7 AND v.day > current_date - $3::int)
    WHEN 'vin' THEN NOT EXISTS (SELECT 1 FROM vin_decodes v JOIN providers p ON p.name = v.api_by AND p.enabled WHERE v.vin = u.vin
        AND v.api_at > now() - $3::int * interval '1 day')
    ELSE false
END
GROUP BY u.vin ORDER BY u.vin
ON CONFLICT (provider, subject) DO UPDATE SET priority = excluded.priority
    WHERE enrichment_due.priority > excluded.priority
