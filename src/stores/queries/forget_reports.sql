-- Forget what providers said of vehicles that no listing is any more, and worths and pages that newer ones have replaced. $1 days, $2
-- most of each. Plan: both tables by their age, with probes of listings_vin; pages by a scan of what is left.
WITH gone AS (
    DELETE FROM history_reports WHERE (vin, provider) IN (
        SELECT h.vin, h.provider FROM history_reports h
        WHERE h.fetched_at < now() - $1::int * interval '1 day'
          AND NOT EXISTS (SELECT 1 FROM listings l WHERE l.vin = h.vin)
        LIMIT $2)
    RETURNING vin, provider, raw_key
),
worthless AS (
    DELETE FROM valuations WHERE (vin, provider, odometer_bucket, region, day) IN (
        SELECT v.vin, v.provider, v.odometer_bucket, v.region, v.day FROM valuations v
        WHERE v.day < current_date - $1::int
          AND (NOT EXISTS (SELECT 1 FROM listings l WHERE l.vin = v.vin)
               OR EXISTS (SELECT 1 FROM valuations n WHERE n.vin = v.vin AND n.provider = v.provider AND n.region = v.region
                          AND n.odometer_bucket = v.odometer_bucket AND n.day > v.day))
        LIMIT $2)
    RETURNING 1
),
replaced AS (
    DELETE FROM left_objects WHERE key IN (
        SELECT r.key FROM left_objects r WHERE r.since < now() - $1::int * interval '1 day' LIMIT $2)
    RETURNING key AS raw_key
)
SELECT (SELECT count(*) FROM gone) AS "reports!", (SELECT count(*) FROM worthless) AS "valuations!",
    (SELECT count(*) FROM replaced) AS "replaced!",
    coalesce((SELECT array_agg(DISTINCT g.raw_key) FROM (SELECT raw_key FROM gone UNION ALL SELECT raw_key FROM replaced) g
      WHERE g.raw_key IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM history_reports h WHERE h.raw_key = g.raw_key
          AND NOT EXISTS (SELECT 1 FROM gone x WHERE x.vin = h.vin AND x.provider = h.provider))), '{}') AS "objects!"
