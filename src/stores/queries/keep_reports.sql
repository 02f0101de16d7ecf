-- Keep what providers said of vehicles. $1 an array of objects keyed by column. What was told stays beside a page that cannot be
-- read, and beside a provider that knows the vehicle no more: only the state, the page and the problem are new. The page it
-- replaces is noted, to be deleted when its time comes.
WITH replaced AS (
    INSERT INTO left_objects (key)
    SELECT DISTINCT h.raw_key FROM jsonb_populate_recordset(NULL::history_reports, $1::jsonb) r
    JOIN history_reports h ON h.vin = r.vin AND h.provider = r.provider
    WHERE h.raw_key <> r.raw_key
    ORDER BY 1
    ON CONFLICT (key) DO UPDATE SET since = now()
)
INSERT INTO history_reports AS h (vin, provider, state, owners, accidents, title_brand, records, report_url, raw_key, problem)
SELECT r.vin, r.provider, r.state, r.owners, r.accidents, r.title_brand, coalesce(r.records, '[]'), r.report_url, r.raw_key,
    r.problem
FROM jsonb_populate_recordset(NULL::history_reports, $1::jsonb) r
ON CONFLICT (vin, provider) DO UPDATE SET state = excluded.state, raw_key = coalesce(excluded.raw_key, h.raw_key),
    problem = excluded.problem, fetched_at = now(),
    owners = CASE WHEN excluded.state IN ('drift', 'none') THEN h.owners ELSE excluded.owners END,
    accidents = CASE WHEN excluded.state IN ('drift', 'none') THEN h.accidents ELSE excluded.accidents END,
    title_brand = CASE WHEN excluded.state IN ('drift', 'none') THEN h.title_brand ELSE excluded.title_brand END,
    records = CASE WHEN excluded.state IN ('drift', 'none') THEN h.records ELSE excluded.records END,
    report_url = CASE WHEN excluded.state IN ('drift', 'none') THEN h.report_url ELSE excluded.report_url END
