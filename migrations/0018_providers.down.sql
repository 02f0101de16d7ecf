DROP TABLE left_objects;
CREATE INDEX history_reports_drift ON history_reports (provider) WHERE state = 'drift';
DROP INDEX history_reports_provider;
