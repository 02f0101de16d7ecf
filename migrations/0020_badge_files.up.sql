-- Which badge files reports still name: their raw copies are kept as long.
CREATE INDEX history_reports_raw ON history_reports (raw_key) WHERE raw_key LIKE 'raw/%';
