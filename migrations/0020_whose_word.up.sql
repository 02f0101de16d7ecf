-- Which badge files reports still name: their raw copies are kept as long.
CREATE INDEX history_reports_raw ON history_reports (raw_key) WHERE raw_key LIKE 'raw/%';
-- Whose word it is, so that another's removal leaves it.
ALTER TABLE vin_decodes ADD COLUMN api_by text;
UPDATE vin_decodes SET api_by = (SELECT name FROM providers WHERE kind = 'vin' ORDER BY name LIMIT 1) WHERE api_at IS NOT NULL;
-- Of two who value a vehicle on one day the later one's word stands.
ALTER TABLE valuations ADD COLUMN said_at timestamptz NOT NULL DEFAULT now();
