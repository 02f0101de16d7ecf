DROP TABLE replaced_pages;
CREATE INDEX history_reports_drift ON history_reports (provider) WHERE state = 'drift';
DROP INDEX history_reports_provider;
