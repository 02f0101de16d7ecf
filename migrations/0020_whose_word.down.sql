ALTER TABLE source_files DROP COLUMN values_refused;
ALTER TABLE source_rejects DROP COLUMN stock_number;
DROP TABLE listing_pasts;
ALTER TABLE valuations DROP COLUMN said_at;
ALTER TABLE vin_decodes DROP COLUMN api_by;
DROP INDEX history_reports_raw;
