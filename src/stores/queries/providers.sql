-- Providers, and what waits for each. Plan: providers is small; enrichment_due by its index once a provider, the answers by
-- a pass over each table.
SELECT p.name, p.kind, p.url, p.enabled, p.refresh_days,
    coalesce(d.due, 0) AS "due!", coalesce(d.failing, 0) AS "failing!", d.oldest AS "oldest_due_at?", d.problem AS "problem?",
    CASE p.kind
        WHEN 'history' THEN (SELECT count(*) FROM history_reports h WHERE h.provider = p.name AND h.state <> 'drift')
        WHEN 'valuation' THEN (SELECT count(DISTINCT (v.vin, v.odometer_bucket)) FROM valuations v WHERE v.provider = p.name
            AND v.region = coalesce(p.settings->>'region', ''))
        WHEN 'vin' THEN (SELECT count(*) FROM vin_decodes v WHERE v.api_by = p.name)
        ELSE (SELECT count(*) FROM photo_uploads u WHERE u.provider = p.name)
    END AS "answers!",
    CASE p.kind
        WHEN 'history' THEN (SELECT count(*) FROM history_reports h WHERE h.provider = p.name AND h.state = 'none')
        WHEN 'valuation' THEN (SELECT count(DISTINCT (v.vin, v.odometer_bucket)) FROM valuations v WHERE v.provider = p.name
            AND v.region = coalesce(p.settings->>'region', '') AND v.retail_cents IS NULL)
        ELSE 0
    END AS "unknown!",
    (SELECT count(*) FROM history_reports h WHERE h.provider = p.name AND h.state = 'drift') AS "drifted!"
FROM providers p
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE due_at <= now()) AS due, count(*) FILTER (WHERE due_at > now()) AS failing,
        min(due_at) AS oldest, (array_agg(problem ORDER BY tries DESC) FILTER (WHERE problem IS NOT NULL))[1] AS problem
    FROM enrichment_due WHERE provider = p.name
) d ON true
ORDER BY p.name
