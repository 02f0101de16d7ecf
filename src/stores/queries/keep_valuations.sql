-- Keep what vehicles are worth today. $1 an array of objects keyed by column.
INSERT INTO valuations AS v (vin, provider, odometer_bucket, region, day, wholesale_cents, retail_cents, sales)
SELECT r.vin, r.provider, r.odometer_bucket, r.region, current_date, r.wholesale_cents, r.retail_cents, coalesce(r.sales, 0)
FROM jsonb_populate_recordset(NULL::valuations, $1::jsonb) r
ORDER BY r.vin, r.provider, r.odometer_bucket, r.region
ON CONFLICT (vin, provider, odometer_bucket, region, day) DO UPDATE SET wholesale_cents = excluded.wholesale_cents,
    retail_cents = excluded.retail_cents, sales = excluded.sales, said_at = now()
