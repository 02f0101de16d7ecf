DROP INDEX history_reports_raw;
